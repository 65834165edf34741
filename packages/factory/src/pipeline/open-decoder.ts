// In: an opened base and the finetuning arguments. Out: a decoder with its adapters: merged into the base, continued, or
// new, by LLaMA-Factory's rules for `adapter_name_or_path` and `create_new_adapter`.
import { openBackend } from '@tunesmith/engine';
import { loraScale, mergeIntoWeights } from '#factory/adapters/merge.ts';
import { checkAdapterFits, readPeftAdapter } from '#factory/adapters/peft.ts';
import { FactoryError } from '#factory/errors.ts';
import { buildDecoder } from '#factory/model/build-decoder.ts';
import type { Decoder, LoraOptions } from '#factory/model/decoder.ts';
import { expectedTensors } from '#factory/model/expected-tensors.ts';
import { initialLora } from '#factory/model/initial-lora.ts';
import { checkExpanded, expandedLayers } from '#factory/model/llama-pro.ts';
import type { Quantisation } from '#factory/model/park-weights.ts';
import { selectTrainable } from '#factory/model/trainable.ts';
import { initialValueHead, type ValueHead } from '#factory/model/value-head.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { Base } from './open-base.ts';
import { readValueHead } from './value-head-file.ts';

export interface OpenedDecoder {
  decoder: Decoder;
  /** The adapter's settings, with no pairs; null without one. */
  adapter: Omit<LoraAdapter, 'pairs'> | null;
  trainableParameters: number;
  allParameters: number;
}

export async function openDecoder(
  args: TrainArgs,
  base: Base,
  use: 'train' | 'infer',
  note: (text: string) => void,
): Promise<OpenedDecoder> {
  const { config, weights: source } = base;
  const shapes = expectedTensors(config);
  const given: LoraAdapter[] = [];
  for (const dir of args.adapter_name_or_path) {
    const adapter = await readPeftAdapter(dir);
    checkAdapterFits(adapter, shapes);
    given.push(adapter);
  }
  const makesNew =
    use === 'train' && args.finetuning_type === 'lora' && (given.length === 0 || args.create_new_adapter);
  const merged = makesNew ? given : given.slice(0, -1);
  const continued = makesNew ? null : (given.at(-1) ?? null);

  const choice =
    use === 'train' ? selectTrainable(config, args) : { tensors: new Set<string>(), loraModules: [] };
  if (use === 'train' && args.use_llama_pro) {
    const layers = expandedLayers(config.layers, args.freeze_trainable_layers);
    const trained = continued
      ? continued.pairs.map((p) => p.module)
      : [...choice.tensors, ...choice.loraModules];
    const doubt = await checkExpanded(source, layers, trained);
    if (doubt) note(doubt);
  }
  let lora: LoraOptions | null = null;
  let adapter: OpenedDecoder['adapter'] = null;
  if (continued) {
    ({ lora, adapter } = continueAdapter(continued, args, use));
  } else if (choice.loraModules.length > 0) {
    const scale = args.use_rslora
      ? args.lora_alpha / Math.sqrt(args.lora_rank)
      : args.lora_alpha / args.lora_rank;
    const shapeOf = (module: string) => shapes.get(`${module}.weight`) as number[];
    const modules = initialLora(choice.loraModules, shapeOf, args.lora_rank, args.seed);
    lora = { rank: args.lora_rank, scale, dropout: dropoutOf(args), modules };
    adapter = {
      rank: args.lora_rank,
      alpha: args.lora_alpha,
      dropout: args.lora_dropout,
      useRslora: args.use_rslora,
      targetModules: [...new Set(choice.loraModules.map((m) => m.slice(m.lastIndexOf('.') + 1)))].sort(),
      baseModel: args.model_name_or_path,
    };
  }
  if (merged.length > 0)
    note(`${merged.length} adapter${merged.length > 1 ? 's' : ''} merged into the base before use`);
  if ((args.fp16 || args.bf16) && use === 'train')
    note(
      `${args.fp16 ? 'fp16' : 'bf16'} means storage on a CPU: frozen weights rest as float16, all arithmetic is float32`,
    );
  const decoder = await buildDecoder({
    backend: await openBackend(args.backend),
    config,
    source,
    trained: choice.tensors,
    lora,
    valueHead: await valueHeadOf(args, base, use),
    halfStorage: args.fp16 || args.bf16,
    quantisation: quantisationOf(args),
    stream: args.stream_base,
    edit: merged.length > 0 ? (name, values) => mergeAll(merged, name, values) : undefined,
    onNote: note,
  });
  if (use === 'train' && decoder.parameters.length === 0)
    throw new FactoryError({
      code: 'TRAIN_NOTHING_TRAINABLE',
      message: `finetuning_type ${args.finetuning_type} selects no parameter of this model`,
      remedy: 'Set lora_target to all, or finetuning_type to full.',
    });
  const trainableParameters = decoder.parameters.reduce((n, p) => n + p.value.length, 0);
  const baseParameters = [...shapes.values()].reduce((n, shape) => n + shape.reduce((a, b) => a * b, 1), 0);
  return {
    decoder,
    adapter,
    trainableParameters,
    allParameters: baseParameters + (lora ? trainableParameters : 0),
  };
}

function quantisationOf(args: TrainArgs): Quantisation | null {
  if (args.quantization_bit === 8) return { bits: 8 };
  if (args.quantization_bit === null) return null;
  return { bits: 4, kind: args.quantization_type, nested: args.double_quantization };
}

/** Answers are compared with a reference without noise: as in LLaMA-Factory, dropout is off in these stages. */
function dropoutOf({ stage, lora_dropout }: TrainArgs): number {
  return stage === 'dpo' || stage === 'kto' ? 0 : lora_dropout;
}

/** The head that the model or its last adapter was trained with, or a new one. */
async function valueHeadOf(args: TrainArgs, base: Base, use: 'train' | 'infer'): Promise<ValueHead | null> {
  if (args.stage !== 'rm') return null;
  const { hiddenSize } = base.config;
  const dir = args.adapter_name_or_path.at(-1) ?? base.dir;
  const found = await readValueHead(dir, hiddenSize);
  return found ?? (use === 'train' ? initialValueHead(hiddenSize, args.seed) : null);
}

/** The adapter goes on with its own rank, alpha and targets; the arguments' are for new ones. */
function continueAdapter(given: LoraAdapter, args: TrainArgs, use: 'train' | 'infer') {
  const ranks = new Set(given.pairs.map((p) => p.rank));
  if (ranks.size > 1)
    throw new FactoryError({
      code: 'ADAPTERS_UNSUPPORTED',
      message: `the adapter has pairs of ranks ${[...ranks].join(', ')}, expected one rank`,
      remedy: 'Merge the adapter with create_new_adapter, or train one with a single rank.',
    });
  const modules = new Map(given.pairs.map(({ module, a, b }) => [module, { a, b }]));
  const dropout = use === 'train' ? args.lora_dropout : 0;
  const { pairs, ...adapter } = given;
  const active = use === 'train' ? dropoutOf(args) : 0;
  const lora = { rank: pairs[0].rank, scale: loraScale(given, pairs[0]), dropout: active, modules };
  return { lora, adapter: { ...adapter, dropout, baseModel: args.model_name_or_path } };
}

function mergeAll(adapters: readonly LoraAdapter[], name: string, values: Float32Array): boolean {
  let changed = false;
  for (const adapter of adapters) {
    const pair = adapter.pairs.find((p) => `${p.module}.weight` === name);
    if (!pair) continue;
    values.set(mergeIntoWeights(name, values, pair, loraScale(adapter, pair)));
    changed = true;
  }
  return changed;
}
