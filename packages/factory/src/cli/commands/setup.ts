// In: `tunesmith setup cuda`. Out: ONNX Runtime's CUDA libraries beside the installed runtime, fetched by the runtime's own
// script, and word of what else the backend needs. Drivers, CUDA and cuDNN themselves are left to the system's packages.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { probeBackend } from '../probe-backend.ts';

/** What a driver of NVIDIA leaves: the device on Linux, that of WSL, and the driver's own word. */
const DRIVER_SIGNS = ['/dev/nvidiactl', '/dev/dxg', '/proc/driver/nvidia/version'];
const LIBRARIES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];

export async function setup({ words, json, terminal, env }: CommandContext): Promise<number> {
  const [what, ...flags] = words;
  const needsGpu = !flags.includes('--without_gpu');
  if (what !== 'cuda' || flags.some((flag) => flag !== '--without_gpu'))
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected cuda after setup, and --without_gpu or nothing after it, found ${JSON.stringify(words.join(' '))}`,
      remedy: 'Write "tunesmith setup cuda".',
    });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new FactoryError({
      code: 'SETUP_UNSUPPORTED',
      message: `CUDA: expected Linux x64, found ${process.platform} ${process.arch}`,
      remedy: 'Set backend to webgpu, which needs nothing but the GPU driver.',
    });
  if (needsGpu && !DRIVER_SIGNS.some((path) => existsSync(path)))
    throw new FactoryError({
      code: 'SETUP_UNSUPPORTED',
      message: `CUDA: expected a driver of NVIDIA, found none of ${DRIVER_SIGNS.join(', ')}; nothing was downloaded`,
      remedy:
        'Install the driver, or add --without_gpu to fetch the libraries for another machine, as in an image of a container.',
    });
  const { runtimeFolder, runtimeInstaller, runtimeVersion } = await import('@tunesmith/engine');
  const folder = fileURLToPath(runtimeFolder());
  const missing = () => LIBRARIES.filter((name) => !existsSync(`${folder}${name}`));
  const say = (text: string) => terminal.err(`${text}\n`);
  const isFetched = missing().length > 0;
  if (isFetched) {
    say(`Fetching the CUDA provider of ONNX Runtime ${runtimeVersion()} (a large download) into ${folder}`);
    const { status, problem } = await runInstaller(runtimeInstaller(), env, (text) => terminal.err(text));
    if (status !== 0 || missing().length > 0)
      throw new FactoryError({
        code: 'SETUP_FAILED',
        message: `CUDA: the installer of onnxruntime-node ended with status ${status}${problem ? ` (${problem})` : ''}; expected ${missing().join(' and ')} in ${folder}`,
        remedy: `Run it again with access to api.nuget.org (GLOBAL_AGENT_HTTPS_PROXY names a proxy), or copy these files from the NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux ${runtimeVersion()} into that folder.`,
      });
  }
  if (!needsGpu) {
    if (json) terminal.out(`${JSON.stringify({ folder, fetched: isFetched, opens: null, reason: null })}\n`);
    else terminal.out(`The libraries are in ${folder}; whether the backend opens was not tried\n`);
    return 0;
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
): Promise<{ status: number; problem: string | null }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [fileURLToPath(script)], {
      env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'cuda12' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // It ends by an exception when it fails, whose stack says nothing to users.
    let errors = '';
    child.stdout.on('data', (data) => tell(String(data)));
    child.stderr.on('data', (data) => {
      errors += data;
    });
    const problem = () => /^\w*Error: (.*)$/m.exec(errors)?.[1] ?? null;
    child.on('error', ({ message }) => done({ status: 1, problem: message }));
    child.on('close', (status) => done({ status: status ?? 1, problem: problem() }));
  });
}
