// In: a checkpoint and a number of blocks. Out: which layers block expansion inserted, the expanded checkpoint, and
// whether a checkpoint looks expanded. LLaMA-Pro (arXiv 2401.02415) with the positions of LLaMA-Factory's script; nothing
// is written or trained here.
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { parseModelConfig } from './config.ts';
import { bf16ToF32, f16ToF32 } from './half.ts';

/** Layers stride - 1, 2 stride - 1, ... of a model that has `blocks` expanded ones among its `layers`. */
export function expandedLayers(layers: number, blocks: number): number[] {
  if (blocks < 1 || layers % blocks !== 0)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `use_llama_pro: the ${layers} layers of this model cannot be divided by freeze_trainable_layers ${blocks}`,
      remedy: `Set freeze_trainable_layers to the num_expand of tunesmith expand, one of ${divisors(layers)}.`,
    });
  const stride = layers / blocks;
  return Array.from({ length: blocks }, (_, i) => (i + 1) * stride - 1);
}

export interface Expansion {
  config: ModelConfig;
  weights: WeightSource;
  /** The inserted layers, by their new numbers. */
  inserted: number[];
}

/**
 * Inserts a copy of every (layers / blocks)-th layer behind it, with o_proj and down_proj zero, so that the copy adds
 * nothing to the residual stream. `file` is what messages call the config.
 */
export function expandBlocks(
  config: ModelConfig,
  weights: WeightSource,
  blocks: number,
  file: string,
): Expansion {
  if (blocks < 1 || config.layers % blocks !== 0)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `num_expand ${blocks} does not divide the ${config.layers} layers of this model`,
      remedy: `Set num_expand to one of ${divisors(config.layers)}.`,
    });
  const group = config.layers / blocks;
  // Old number of each new layer; the last of a group occurs twice.
  const origin = Array.from({ length: config.layers }, (_, i) =>
    (i + 1) % group === 0 ? [i, i] : [i],
  ).flat();
  const inserted = origin.flatMap((old, i) => (i > 0 && origin[i - 1] === old ? [i] : []));
  const expanded = parseModelConfig(expandedConfig(config.raw, origin), file);
  const windows = origin.map((old) => config.slidingWindow[old]);
  if (windows.some((window, i) => window !== expanded.slidingWindow[i]))
    throw new FactoryError({
      code: 'MODEL_BAD_CONFIG',
      message: `${file}: its pattern of attention windows cannot be written for ${origin.length} layers`,
      remedy: 'Choose a model that has the same attention in every layer, or lists layer_types.',
    });
  return { config: expanded, weights: expandedWeights(weights, origin, new Set(inserted)), inserted };
}

/** config.json with the new number of layers, and its lists per layer stretched. */
function expandedConfig(
  raw: Readonly<Record<string, unknown>>,
  origin: readonly number[],
): Record<string, unknown> {
  const config: Record<string, unknown> = { ...raw, num_hidden_layers: origin.length };
  if (Array.isArray(raw.layer_types))
    config.layer_types = origin.map((old) => (raw.layer_types as unknown[])[old]);
  const first = raw.max_window_layers;
  if (typeof first === 'number') {
    const moved = origin.findIndex((old) => old >= first);
    config.max_window_layers = moved < 0 ? Math.max(first, origin.length) : moved;
  }
  return config;
}

const LAYER = /^model\.layers\.(\d+)\.(.+)$/;
/** The outputs of a layer's two halves, biases included. */
const OUTPUT = /(^|\.)(o_proj|down_proj|w2)\./;

function expandedWeights(
  source: WeightSource,
  origin: readonly number[],
  inserted: ReadonlySet<number>,
): WeightSource {
  const tensors = new Map<string, { dtype: WeightTensor['dtype']; shape: number[]; file: string }>();
  const from = new Map<string, { name: string; isZero: boolean }>();
  const add = (name: string, old: string, isZero: boolean) => {
    tensors.set(name, source.tensors.get(old) as NonNullable<ReturnType<typeof source.tensors.get>>);
    from.set(name, { name: old, isZero });
  };
  const inLayers = new Map<number, string[]>();
  for (const name of source.tensors.keys()) {
    const match = LAYER.exec(name);
    if (!match) add(name, name, false);
    else inLayers.set(Number(match[1]), [...(inLayers.get(Number(match[1])) ?? []), match[2]]);
  }
  origin.forEach((old, i) => {
    for (const part of inLayers.get(old) ?? [])
      add(`model.layers.${i}.${part}`, `model.layers.${old}.${part}`, inserted.has(i) && OUTPUT.test(part));
  });
  return {
    tensors,
    async read(name) {
      const { name: old, isZero } = from.get(name) as { name: string; isZero: boolean };
      const tensor = await source.read(old);
      return { ...tensor, name, data: isZero ? new (arrayOf(tensor))(tensor.data.length) : tensor.data };
    },
    close: () => source.close(),
  };
}

const arrayOf = ({ dtype }: WeightTensor) => (dtype === 'F32' ? Float32Array : Uint16Array);

/** A trained block stays close to the layer that it was copied from; layers of one model are nearly orthogonal. */
const LIKE_A_COPY = 0.7;

/**
 * `trained` are the tensors or modules that the run trains. A note when layers that `use_llama_pro` trains do not look inserted: neither are their outputs zero, as new blocks have
 * them, nor do they resemble the layer below, as trained blocks do. Null when all is well.
 */
export async function checkExpanded(
  source: WeightSource,
  layers: readonly number[],
  trained: readonly string[],
): Promise<string | null> {
  const doubtful: number[] = [];
  for (const layer of layers) {
    const kind = await kindOf(source, layer);
    if (kind === 'other') doubtful.push(layer);
    const prefix = `model.layers.${layer}.`;
    // No gradient passes a frozen zero matrix, so nothing in such a block would ever move.
    if (kind === 'new' && !trained.some((name) => name.startsWith(prefix) && OUTPUT.test(`${name}.`)))
      throw new FactoryError({
        code: 'TRAIN_NOTHING_TRAINABLE',
        message: `use_llama_pro: o_proj and down_proj of the new layer ${layer} are zero and are not trained, so nothing in it can learn`,
        remedy:
          'Add o_proj and down_proj to lora_target (or all), or to freeze_trainable_modules self_attn and mlp (or all).',
      });
  }
  if (doubtful.length === 0) return null;
  const named = (all: readonly number[]) => `layer${all.length > 1 ? 's' : ''} ${all.join(', ')}`;
  return `use_llama_pro trains ${named(layers)}, but ${named(doubtful)} ${doubtful.length > 1 ? 'do' : 'does'} not look inserted by block expansion (the outputs are not zero and the layer below is no copy), so layers of the base itself are trained; tunesmith expand inserts new blocks`;
}

async function kindOf(source: WeightSource, layer: number): Promise<'new' | 'trained' | 'other'> {
  const prefix = `model.layers.${layer}.`;
  const matrices = [...source.tensors]
    .filter(([name, { shape }]) => name.startsWith(prefix) && shape.length > 1)
    .map(([name]) => name);
  const outputs = matrices.filter((name) => OUTPUT.test(name));
  const isZero = async (name: string) => (await floats(source, name))?.every((value) => value === 0) === true;
  if (outputs.length > 0 && (await Promise.all(outputs.map(isZero))).every(Boolean)) return 'new';
  const first = matrices.find((name) => !OUTPUT.test(name));
  const own = first && (await floats(source, first));
  const below = first && (await floats(source, first.replace(prefix, `model.layers.${layer - 1}.`)));
  return own && below && cosine(own, below) > LIKE_A_COPY ? 'trained' : 'other';
}

/** The values of a tensor, or null where the checkpoint has none of that name or another kind of data. */
async function floats(source: WeightSource, name: string): Promise<Float32Array | null> {
  if (!source.tensors.has(name)) return null;
  const { dtype, data } = await source.read(name);
  if (dtype === 'F32') return data as Float32Array;
  return dtype === 'F16' ? f16ToF32(data as Uint16Array) : bf16ToF32(data as Uint16Array);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb || 1);
}

function divisors(n: number): string {
  return Array.from({ length: n }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .join(', ');
}
