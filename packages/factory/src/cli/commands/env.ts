// In: nothing (or --output_dir). Out: the facts about this machine that a report needs, as lines or JSON.
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import os from 'node:os';
import { dirname, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { probeBackend } from '../probe-backend.ts';
import { packageVersion } from './version.ts';

export async function env({ words, json, terminal, env: variables }: CommandContext): Promise<number> {
  const facts = await collectFacts(outputDirOf(words), variables);
  if (json) {
    terminal.out(`${JSON.stringify(facts)}\n`);
  } else {
    const lines = Object.entries(facts).map(([name, value]) => `${name.padEnd(20)} ${String(value)}`);
    terminal.out(`${lines.join('\n')}\n`);
  }
  return facts.engine_loads === true && facts.output_dir_writable ? 0 : 3;
}

function outputDirOf(words: readonly string[]): string {
  const word = words[0] ?? '';
  const value = word.includes('=') ? word.slice(word.indexOf('=') + 1) : words[1];
  const count = word.includes('=') ? 1 : 2;
  if (words.length === 0) return '.';
  if (/^--output[_-]dir(=|$)/.test(word) && value !== undefined && words.length === count) return value;
  throw new FactoryError({
    code: 'CLI_USAGE',
    message: `expected nothing or --output_dir DIR after env, found ${JSON.stringify(words.join(' '))}`,
    remedy: 'Write "tunesmith env" or "tunesmith env --output_dir DIR".',
  });
}

async function collectFacts(outputDir: string, variables: CommandContext['env']) {
  const cpus = os.cpus();
  const engine = await loadEngine();
  const [webgpu, cuda] = await Promise.all([
    probeBackend('webgpu', variables),
    probeBackend('cuda', variables),
  ]);
  const folder = nearestFolder(resolve(outputDir));
  return {
    tunesmith: packageVersion(),
    node: process.version,
    os: `${os.type()} ${os.release()} ${process.arch}`,
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory_total_bytes: os.totalmem(),
    memory_free_bytes: os.freemem(),
    onnxruntime: engine.version,
    engine_loads: engine.problem === null ? true : `no: ${engine.problem}`,
    backend_webgpu: webgpu.isHere
      ? `yes, ${webgpu.hasHalfFloats ? 'with' : 'without'} 16-bit floats`
      : `no: ${webgpu.reason}`,
    backend_cuda: cuda.isHere ? 'yes' : `no: ${cuda.reason}`,
    output_dir: resolve(outputDir),
    output_dir_writable: isWritable(folder),
    disk_free_bytes: freeBytes(folder),
    hugging_face_home: variables.HF_HOME ?? 'not set',
    offline: variables.HF_HUB_OFFLINE === '1' ? 'yes (HF_HUB_OFFLINE)' : 'no',
  };
}

async function loadEngine(): Promise<{ version: string; problem: string | null }> {
  let version = 'not installed';
  try {
    const { openBackend, runtimeVersion } = await import('@tunesmith/engine');
    version = runtimeVersion();
    const backend = await openBackend('cpu');
    await backend.dispose();
    return { version, problem: null };
  } catch (error) {
    return { version, problem: (error instanceof Error ? error.message : String(error)).split('\n')[0]! };
  }
}

function nearestFolder(path: string): string {
  let at = path;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function freeBytes(folder: string): number | string {
  try {
    const disk = statfsSync(folder);
    return disk.bavail * disk.bsize;
  } catch {
    return 'unknown';
  }
}
