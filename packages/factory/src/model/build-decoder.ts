// In: an opened checkpoint, what is to be trained, and an adapter to start from. Out: a decoder ready to run, with its
// weights in memory. Adapter folders and arguments are read elsewhere.
import type { Backend } from '@tunesmith/engine';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { Decoder, type LoraOptions } from './decoder.ts';
import { expectedTensors } from './expected-tensors.ts';
import { type LoadOptions, loadWeights } from './load-weights.ts';

export interface BuildOptions {
  backend: Backend;
  config: ModelConfig;
  source: WeightSource;
  trained: ReadonlySet<string>;
  lora: LoraOptions | null;
  halfStorage: boolean;
  edit?: LoadOptions['edit'];
  onProgress?: LoadOptions['onProgress'];
  onNote?: LoadOptions['onNote'];
}

export async function buildDecoder(options: BuildOptions): Promise<Decoder> {
  const { backend, config, source, trained, lora, halfStorage, edit, onProgress, onNote } = options;
  const weights = await loadWeights(source, expectedTensors(config).keys(), {
    isTrained: (name) => trained.has(name),
    halfStorage,
    edit,
    onProgress,
    onNote,
  });
  return new Decoder({ backend, config, weights, lora, trained });
}
