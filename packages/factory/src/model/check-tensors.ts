// In: an open checkpoint and the config beside it. Out: the same tensors under Hugging Face's full names, all there and
// of the right shape; before any weight is read. Spare tensors become notes, not errors.
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { expectedTensors } from './expected-tensors.ts';
import type { SafetensorsSource } from './safetensors.ts';
import { splitExperts } from './split-experts.ts';

export interface CheckedWeights {
  weights: WeightSource;
  /** What the reader should know, such as tensors that are in the files and not in the model. */
  notes: string[];
}

const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

export function checkTensors(opened: SafetensorsSource, config: ModelConfig): CheckedWeights {
  const source = splitExperts(opened, config.experts);
  const expected = expectedTensors(config);
  const stored = storedNames(source, config);
  for (const [name, shape] of expected) {
    const storedName = stored.get(name);
    if (storedName === undefined) throw missing(source, name, shape, expected.size);
    const entry = source.tensors.get(storedName);
    if (!entry) throw wrongDtype(source, storedName);
    if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i])) {
      throw wrongShape(entry.file, storedName, shape, entry.shape);
    }
  }
  const notes = notesOn(source, expected, stored, config);
  if (textPrefix([...source.tensors.keys()]))
    notes.unshift('only the text part of this model is used and saved; adapters belong to that part alone');
  return { weights: renamed(source, expected, stored), notes };
}

/** Where the text part of a model with images lies: transformers 4, and 5. */
const TEXT_PREFIXES = ['language_model.model.', 'model.language_model.'];
const textPrefix = (names: readonly string[]) =>
  TEXT_PREFIXES.find((prefix) => names.includes(`${prefix}embed_tokens.weight`));

/**
 * Full name → name in the files. Base models are saved without `model.`, text parts of larger ones under a name of their
 * own; a tied embedding may lie under the head's name.
 */
function storedNames(source: SafetensorsSource, config: ModelConfig): Map<string, string> {
  const names = [...source.tensors.keys(), ...source.otherDtypes.keys()];
  const isBare = !names.some((name) => name.startsWith('model.')) && names.includes('embed_tokens.weight');
  const prefix = textPrefix(names);
  const fullName = (name: string) => {
    if (prefix) return name.replace(prefix, 'model.').replace(/^language_model\.lm_head/, 'lm_head');
    return isBare && name !== HEAD ? `model.${name}` : name;
  };
  const stored = new Map(names.map((name) => [fullName(name), name]));
  if (config.tieEmbeddings && !stored.has(EMBEDDING) && stored.has(HEAD)) stored.set(EMBEDDING, HEAD);
  return stored;
}

function renamed(
  source: SafetensorsSource,
  expected: ReadonlyMap<string, number[]>,
  stored: ReadonlyMap<string, string>,
): WeightSource {
  const tensors = new Map([...expected.keys()].map((name) => [name, source.tensors.get(stored.get(name)!)!]));
  return {
    tensors,
    async read(name) {
      return { ...(await source.read(stored.get(name)!)), name };
    },
    readInto:
      source.readInto && ((name, bytes, offset) => source.readInto!(stored.get(name)!, bytes, offset)),
    readPacked: source.readPacked && ((name) => source.readPacked!(stored.get(name)!)),
    close: () => source.close(),
  };
}

function notesOn(
  source: SafetensorsSource,
  expected: ReadonlyMap<string, number[]>,
  stored: ReadonlyMap<string, string>,
  config: ModelConfig,
): string[] {
  const isHarmless = (name: string) =>
    name.endsWith('rotary_emb.inv_freq') || (config.tieEmbeddings && name === HEAD);
  const spare = [...stored.keys()].filter((name) => !expected.has(name) && !isHarmless(name)).sort();
  if (spare.length === 0) return [];
  const shown = spare.slice(0, 5).join(', ') + (spare.length > 5 ? ', …' : '');
  const file = (source.tensors.get(stored.get(spare[0])!) ?? source.otherDtypes.get(stored.get(spare[0])!))
    ?.file;
  return [
    `${spare.length} tensors of the checkpoint (${file}) are not part of the model and stay unused: ${shown}`,
  ];
}

function missing(
  source: SafetensorsSource,
  name: string,
  shape: readonly number[],
  count: number,
): FactoryError {
  const files =
    [...new Set([...source.tensors.values()].map((entry) => entry.file))].join(', ') || 'the checkpoint';
  const isHead = name === HEAD;
  return new FactoryError({
    code: 'MODEL_MISSING_TENSOR',
    message: `${files.slice(0, 500)}: expected tensor ${name} of shape [${shape}], found none (${source.tensors.size} tensors there, ${count} needed)`,
    remedy: isHead
      ? 'Use a checkpoint with its language-model head, or set tie_word_embeddings to true in config.json if the head is tied.'
      : 'Use the config.json that belongs to these weights, or get all weight files again.',
    details: { tensor: name, shape },
  });
}

function wrongShape(
  file: string,
  name: string,
  expected: readonly number[],
  found: readonly number[],
): FactoryError {
  return new FactoryError({
    code: 'MODEL_WRONG_SHAPE',
    message: `${file}: tensor ${name}: expected shape [${expected}] from config.json, found [${found}]`,
    remedy: 'Use the config.json that belongs to these weights.',
    details: { file, tensor: name, expected, found },
  });
}

function wrongDtype(source: SafetensorsSource, name: string): FactoryError {
  const entry = source.otherDtypes.get(name);
  return new FactoryError({
    code: 'MODEL_WRONG_DTYPE',
    message: `${entry?.file}: tensor ${name}: expected F32, F16 or BF16, found ${entry?.dtype}`,
    remedy: 'Use an unquantised checkpoint, or save the model again in float32, float16 or bfloat16.',
    details: { tensor: name, ...entry },
  });
}
