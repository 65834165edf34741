// In: `tunesmith setup cuda`. Out: ONNX Runtime's CUDA libraries beside the installed runtime, fetched by the runtime's own
// script, and word of what else the backend needs. Drivers, CUDA and cuDNN themselves are left to the system's packages.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { probeBackend } from '../probe-backend.ts';

const LIBRARIES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];

export async function setup({ words, json, terminal, env }: CommandContext): Promise<number> {
  if (words.length !== 1 || words[0] !== 'cuda')
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected cuda after setup, found ${JSON.stringify(words.join(' '))}`,
      remedy: 'Write "tunesmith setup cuda".',
    });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new FactoryError({
      code: 'SETUP_UNSUPPORTED',
      message: `CUDA: expected Linux x64, found ${process.platform} ${process.arch}`,
      remedy: 'Set backend to webgpu, which needs nothing but the GPU driver.',
    });
  const { runtimeFolder, runtimeInstaller, runtimeVersion } = await import('@tunesmith/engine');
  const folder = fileURLToPath(runtimeFolder());
  const missing = () => LIBRARIES.filter((name) => !existsSync(`${folder}${name}`));
  const say = (text: string) => terminal.err(`${text}\n`);
  const isFetched = missing().length > 0;
  if (isFetched) {
    say(`Fetching the CUDA provider of ONNX Runtime ${runtimeVersion()} (a large download) into ${folder}`);
    const status = await runInstaller(runtimeInstaller(), env, (text) => terminal.err(text));
    if (status !== 0 || missing().length > 0)
      throw new FactoryError({
        code: 'SETUP_FAILED',
        message: `CUDA: the installer of onnxruntime-node ended with status ${status}; expected ${missing().join(' and ')} in ${folder}`,
        remedy: `Run it again with access to api.nuget.org (GLOBAL_AGENT_HTTPS_PROXY names a proxy), or copy these files from the NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux ${runtimeVersion()} into that folder.`,
      });
  }
  const probe = await probeBackend('cuda', env);
  const facts = {
    folder,
    fetched: isFetched,
    opens: probe.isHere,
    reason: probe.isHere ? null : probe.reason,
  };
  if (json) terminal.out(`${JSON.stringify(facts)}\n`);
  else if (probe.isHere) terminal.out('The cuda backend opens: train with --backend cuda\n');
  else
    terminal.out(
      `The libraries are there, but the backend does not open: ${probe.reason}\n${probe.remedy}\n`,
    );
  return probe.isHere ? 0 : 3;
}

/** npm's configuration says skip, so that `npm ci` works offline; here the wish is stated. */
function runInstaller(
  script: URL,
  env: CommandContext['env'],
  tell: (text: string) => void,
): Promise<number> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [fileURLToPath(script)], {
      env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'cuda12' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => tell(String(data)));
    child.on('error', () => done(1));
    child.on('close', (status) => done(status ?? 1));
  });
}
