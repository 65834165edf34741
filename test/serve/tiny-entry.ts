// In: the path of the tiny GGUF file, and adapters. Out: the entry of the configuration that serves them as `tiny`.
import type { EmbeddedEntry } from '../../packages/factory/src/records/serve-args.ts';

export function tinyEntry(path: string, adapters: EmbeddedEntry['adapters']): EmbeddedEntry {
  return {
    kind: 'embedded',
    id: 'tiny',
    path,
    template: 'default',
    base: null,
    scale: 1,
    context_size: null,
    slots: 4,
    threads: 1,
    gpu: 'off',
    gpu_layers: null,
    mlock: false,
    adapters,
  };
}
