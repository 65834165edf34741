// In: the platform. Out: the dynamic library of llama.cpp that node-llama-cpp ships for it, with the release that it was built
// from. Nothing is loaded. Run on Linux x64 only; elsewhere a file that is not there is an error that names it.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';

export interface LlamaLibrary {
  path: string;
  /** llama.cpp's release tag. */
  release: string;
}

export interface Platform {
  platform: string;
  arch: string;
}

const SYSTEMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'mac', win32: 'win' };
const ARCHITECTURES: Readonly<Record<string, string>> = { arm: 'armv7l' };
/** The release is part of the name, as in libllama.v0.5.0.so; libllama-common is another library. */
const LIBRARY = /^(lib)?llama(\.v?\d[\w.]*)?\.(so|dylib|dll)$/;

/** As node-llama-cpp names its packages and their folders: the build for the processor, on Apple silicon that with Metal. */
export function packageName({ platform, arch }: Platform): string {
  const cpu = ARCHITECTURES[arch] ?? arch;
  return `${SYSTEMS[platform] ?? platform}-${cpu}${platform === 'darwin' && arch === 'arm64' ? '-metal' : ''}`;
}

export function findLlamaLibrary(platform: Platform = process): LlamaLibrary {
  const name = packageName(platform);
  let folder = `@node-llama-cpp/${name}/bins/${name}`;
  try {
    // The packages with binaries belong to node-llama-cpp and may be installed below it.
    const near = createRequire(createRequire(import.meta.url).resolve('node-llama-cpp'));
    folder = join(dirname(near.resolve(`@node-llama-cpp/${name}`)), '..', 'bins', name);
    const file = readdirSync(folder).find((entry) => LIBRARY.test(entry));
    if (file) return { path: join(folder, file), release: releaseOf(join(folder, '_nlcBuildMetadata.json')) };
  } catch (cause) {
    throw missing(folder, cause);
  }
  throw missing(folder);
}

function releaseOf(path: string): string {
  const { buildOptions } = JSON.parse(readFileSync(path, 'utf8')) as {
    buildOptions: { llamaCpp: { release: string } };
  };
  return buildOptions.llamaCpp.release;
}

function missing(folder: string, cause?: unknown): FactoryError {
  const found = cause instanceof Error ? `: ${cause.message.split('\n')[0]}` : '';
  return new FactoryError({
    code: 'EXPORT_NO_LLAMA',
    message: `expected llama.cpp's library (libllama.so, libllama.dylib or llama.dll) in ${folder}, found none${found}`,
    remedy: 'Run "npm ci" with optional packages, on a system that node-llama-cpp has binaries for.',
    details: { folder },
    cause,
  });
}
