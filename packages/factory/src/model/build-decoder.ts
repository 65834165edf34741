// In: an opened checkpoint, what is to be trained, and an adapter to start from. Out: a decoder ready to run, with its
// weights in memory. Adapter folders and arguments are read elsewhere.
import type { Backend } from '@tunesmith/engine';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { Decoder } from './decoder.ts';
import { EMBEDDING, rowsOnDisk } from './embedding.ts';
import { expectedTensors } from './expected-tensors.ts';
import type { LoraOptions } from './layer-spec-of.ts';
import { type LoadOptions, loadWeights } from './load-weights.ts';
import { parkWeights, type Quantisation, type QuantiseWithAdapter } from './park-weights.ts';
import type { SpillFile } from './spill-file.ts';
import type { ValueHead } from './value-head.ts';

export interface BuildOptions {
  backend: Backend;
  config: ModelConfig;
  source: WeightSource;
  trained: ReadonlySet<string>;
  lora: LoraOptions | null;
  valueHead?: ValueHead | null;
  spill?: SpillFile | null;
  halfStorage: boolean;
  /** How frozen layers rest; as plain values where neither is set. */
  quantisation?: Quantisation | null;
  stream?: boolean;
  withAdapter?: QuantiseWithAdapter;
  edit?: LoadOptions['edit'];
  onProgress?: LoadOptions['onProgress'];
  onNote?: LoadOptions['onNote'];
}

export async function buildDecoder(options: BuildOptions): Promise<Decoder> {
  const { backend, config, source, trained, lora, halfStorage, edit, onProgress, onNote } = options;
  const { quantisation = null, stream = false, valueHead } = options;
  const isTrained = (name: string) => trained.has(name);
  const names = [...expectedTensors(config).keys()];
  const { withAdapter } = options;
  const how = { isTrained, halfStorage, quantisation, stream, withAdapter, onNote };
  const parked = await parkWeights(source, names, how);
  const mayRest = (stream || quantisation) && !config.tieEmbeddings && !edit && !isTrained(EMBEDDING);
  const embedding = (mayRest ? await rowsOnDisk(source, { isTrained, halfStorage }) : null) ?? undefined;
  const plain = names.filter((name) => !parked.has(name) && !(embedding && name === EMBEDDING));
  const weights = await loadWeights(source, plain, {
    isTrained,
    halfStorage,
    edit,
    onProgress,
    onNote,
  });
  const decoder = new Decoder({
    backend,
    config,
    weights,
    parked,
    embedding,
    readsAhead: stream,
    lora,
    trained,
    valueHead,
    spill: options.spill,
  });
  const isNew = lora?.dora && [...lora.modules.values()].every(({ magnitude }) => !magnitude);
  if (isNew) await decoder.initialiseMagnitudes();
  return decoder;
}
