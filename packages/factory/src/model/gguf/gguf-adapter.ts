// In: a LoRA adapter and the config of its base. Out: the metadata and tensors of its GGUF file, as llama.cpp's
// convert_lora_to_gguf writes them: A and B of every matrix under llama.cpp's names, B in its order of rows.
import { invariant } from '#factory/errors.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import type { GgufField, GgufFields } from '#factory/records/gguf.ts';
import type { ModelConfig, WeightTensor } from '#factory/records/model-config.ts';
import type { GgufTensorToWrite } from '#factory/store/gguf-format.ts';
import { inType } from '../convert-type.ts';
import { expertModules } from '../layer-modules.ts';
import { GGUF_ARCHITECTURE, ggufExpertStack, ggufRowOrder, ggufTensorName } from './gguf-names.ts';

type Type = WeightTensor['dtype'];

/** llama.cpp scales by alpha / rank. Rank-stabilised LoRA's alpha / √rank is the same with a larger alpha. */
function ggufAlpha({ alpha, useRslora, rank }: LoraAdapter): number {
  return useRslora ? alpha * Math.sqrt(rank) : alpha;
}

export function ggufAdapterFields(adapter: LoraAdapter, { architecture }: ModelConfig): GgufFields {
  return new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: GGUF_ARCHITECTURE[architecture] }],
    ['general.type', { type: 'string', value: 'adapter' }],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'float32', value: ggufAlpha(adapter) }],
    ['general.quantization_version', { type: 'uint32', value: 2 }],
  ]);
}

/** `scaleOf`: what multiplies B·A of a pair. */
export function ggufAdapterTensors(
  adapter: LoraAdapter,
  config: ModelConfig,
  scaleOf: (pair: LoraPair) => number,
  type: Type,
): GgufTensorToWrite[] {
  const alpha = ggufAlpha(adapter);
  const stacks = new Map<string, Map<string, LoraPair>>();
  const tensors: GgufTensorToWrite[] = [];
  const scaled = (pair: LoraPair, rank: number) => timesRows(pair.b, (scaleOf(pair) * rank) / alpha);
  for (const pair of adapter.pairs) {
    const weight = `${pair.module}.weight`;
    const stack = ggufExpertStack(weight, config);
    if (stack) {
      const parts = stacks.get(stack) ?? new Map<string, LoraPair>();
      stacks.set(stack, parts.set(weight, pair));
      continue;
    }
    const { rank, inFeatures, outFeatures } = pair;
    const b = reorder(scaled(pair, rank), rank, ggufRowOrder(weight, config));
    tensors.push(
      ...both(ggufTensorName(weight, config), type, [rank, inFeatures], pair.a, [outFeatures, rank], b),
    );
  }
  for (const [name, parts] of stacks) tensors.push(...stacked(name, parts));
  return tensors;

  /** All experts of a layer in one tensor, those without an adapter as zeros, ranks filled up to the largest. */
  function stacked(name: string, parts: ReadonlyMap<string, LoraPair>): GgufTensorToWrite[] {
    const names = modulesOf(name, config);
    const [{ inFeatures: width, outFeatures: height }] = parts.values();
    const rank = Math.max(...[...parts.values()].map((pair) => pair.rank));
    const a = new Float32Array(names.length * rank * width);
    const b = new Float32Array(names.length * height * rank);
    for (const [e, module] of names.entries()) {
      const pair = parts.get(`${module}.weight`);
      if (!pair) continue;
      a.set(pair.a, e * rank * width);
      const own = scaled(pair, rank);
      for (let row = 0; row < height; row++)
        b.set(own.subarray(row * pair.rank, (row + 1) * pair.rank), (e * height + row) * rank);
    }
    const count = names.length;
    return both(name, type, [count, rank, width], a, [count, height, rank], b);
  }
}

/** The modules of a stack, expert by expert. */
function modulesOf(stack: string, config: ModelConfig): string[] {
  const [, layer, role] = /^blk\.(\d+)\.ffn_(gate|up|down)_exps\.weight$/.exec(stack) ?? [];
  invariant(role !== undefined, `${stack} is no stack of experts`);
  return expertModules(config, Number(layer)).map(
    (expert) => `model.layers.${layer}.${expert[role as 'gate' | 'up' | 'down'].name}`,
  );
}

function both(
  name: string,
  type: Type,
  shapeA: number[],
  a: Float32Array,
  shapeB: number[],
  b: Float32Array,
): GgufTensorToWrite[] {
  const tensor = (suffix: string, shape: number[], values: Float32Array): GgufTensorToWrite => ({
    name: name + suffix,
    shape,
    type,
    *pieces() {
      yield inType({ name: name + suffix, dtype: 'F32', shape, data: values }, type).data;
    },
  });
  return [tensor('.lora_a', shapeA, a), tensor('.lora_b', shapeB, b)];
}

function timesRows(values: Float32Array, factor: number): Float32Array {
  return Math.abs(factor - 1) < 1e-12 ? values : values.map((v) => v * factor);
}

function reorder(values: Float32Array, width: number, order: ((row: number) => number) | null): Float32Array {
  if (!order) return values;
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length / width; row++) {
    const at = order(row) * width;
    out.set(values.subarray(at, at + width), row * width);
  }
  return out;
}
