// In: an opened base and the finetuning arguments. Out: a decoder with its adapters, ready to train or to answer.
import { matrixProduct, openBackend } from '@tunesmith/engine';
import { FactoryError } from '#factory/errors.ts';
import { codedBits } from '#factory/model/bitsandbytes/stored-codes.ts';
import { buildDecoder } from '#factory/model/build-decoder.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { adaptedTensors, expectedTensors } from '#factory/model/expected-tensors.ts';
import type { InitialPair } from '#factory/model/layer-spec-of.ts';
import { checkExpanded, expandedLayers } from '#factory/model/llama-pro.ts';
import type { Quantisation } from '#factory/model/park-weights.ts';
import { SpillFile } from '#factory/model/spill-file.ts';
import { untieHead } from '#factory/model/untie-head.ts';
import { initialValueHead, type ValueHead } from '#factory/model/value-head.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type AdapterSettings, baseEditor, loftqQuantiser, openAdapters } from './open-adapters.ts';
import type { Base } from './open-base.ts';
import { readValueHead } from './value-head-file.ts';

export interface OpenedDecoder {
  decoder: Decoder;
  /** Where activations wait for the backward pass; null where they stay in memory. To be closed after the run. */
  spill: SpillFile | null;
  /** The adapter's settings; null without one. */
  adapter: AdapterSettings | null;
  /** With PiSSA, the pairs that training began with, by module. */
  initial: Map<string, InitialPair>;
  trainableParameters: number;
  allParameters: number;
}

export async function openDecoder(
  args: TrainArgs,
  base: Base,
  use: 'train' | 'infer',
  note: (text: string) => void,
): Promise<OpenedDecoder> {
  const shapes = adaptedTensors(base.config);
  const adapters = await openAdapters(args, base.config, shapes, use);
  const { merged, continued, lora, tensors } = adapters;
  if (use === 'train' && args.use_llama_pro) {
    const layers = expandedLayers(base.config.layers, args.freeze_trainable_layers);
    const doubt = await checkExpanded(base.weights, layers, [...tensors, ...(lora?.modules.keys() ?? [])]);
    if (doubt) note(doubt);
  }
  const all = [...merged, ...(continued ? [continued] : [])];
  const whole = all.flatMap((adapter) => adapter.whole ?? []);
  // Only PEFT copies what it trains whole; a tied model that is trained itself stays tied.
  const changed = [...(lora ? tensors : []), ...whole.map(({ name }) => name)];
  const { config, source } = untieHead(base, changed);
  if (config !== base.config)
    note('the output head is no longer tied to the embedding: one of them changes alone');
  if (merged.length > 0)
    note(`${merged.length} adapter${merged.length > 1 ? 's' : ''} merged into the base before use`);
  const backend = await openBackend(args.backend);
  if ((args.fp16 || args.bf16) && use === 'train')
    note(
      `${args.fp16 ? 'fp16' : 'bf16'} means storage on a ${args.backend === 'cpu' ? 'CPU' : 'device'}: frozen weights rest as ${backend.hasHalfFloats ? 'float16' : 'float32, because this device has no 16-bit floats'}; all arithmetic is float32`,
    );
  const changesBase = merged.length > 0 || whole.length > 0 || all.some(({ start }) => start);
  const initial: OpenedDecoder['initial'] = new Map();
  if (adapters.settings?.start && !continued)
    note('taking the largest singular part out of each adapted weight (PiSSA)');
  refuseOtherCodes(all, args);
  if (codedBits(config)) {
    refuseCodedBase(args, use);
    if (args.quantization_bit !== null)
      note('the checkpoint is quantised already, so quantization_bit and its keys have no effect');
  }
  const begins = use === 'train' && !continued && args.loftq_init;
  if (begins) note('fitting each adapter to what 4 bits miss of its weight (LoftQ)');
  const spills = use === 'train' && args.residual_policy === 'spill';
  const spill = spills ? new SpillFile(backend, args.spill_dir ?? args.output_dir) : null;
  const decoder = await buildDecoder({
    backend,
    config,
    source,
    trained: tensors,
    lora,
    valueHead: await valueHeadOf(args, base, use),
    spill,
    halfStorage: args.fp16 || args.bf16,
    quantisation: codedBits(config) ? null : quantisationOf(args),
    stream: args.stream_base,
    withAdapter: loftqQuantiser(adapters, { ...args, loftq_init: begins }, matrixProduct(backend)),
    edit:
      changesBase || adapters.settings?.start
        ? baseEditor(adapters, matrixProduct(backend), initial)
        : undefined,
    onNote: note,
  });
  refusePackedBase(decoder, all, adapters.settings?.start ? (lora?.modules.keys() ?? []) : []);
  if (use === 'train' && decoder.parameters.length === 0)
    throw new FactoryError({
      code: 'TRAIN_NOTHING_TRAINABLE',
      message: `finetuning_type ${args.finetuning_type} selects no parameter of this model`,
      remedy: 'Set lora_target to all, or finetuning_type to full.',
    });
  const trainableParameters = decoder.parameters.reduce((n, p) => n + p.value.length, 0);
  const baseParameters = [...expectedTensors(config).values()].reduce(
    (n, shape) => n + shape.reduce((a, b) => a * b, 1),
    0,
  );
  return {
    decoder,
    spill,
    adapter: adapters.settings,
    initial,
    trainableParameters,
    allParameters: baseParameters + (lora ? trainableParameters : 0),
  };
}

/** Codes can be neither trained nor changed. */
function refuseCodedBase(args: TrainArgs, use: 'train' | 'infer'): void {
  const reasons: [boolean, string][] = [
    [use === 'train' && args.finetuning_type !== 'lora', `finetuning_type ${args.finetuning_type}`],
    [args.loftq_init, 'loftq_init'],
    [args.create_new_adapter, 'create_new_adapter'],
    [args.adapter_name_or_path.length > 1, 'merging all adapters but the last'],
  ];
  const reason = reasons.find(([holds]) => holds)?.[1];
  if (reason === undefined) return;
  throw new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `${reason} needs the weights in full precision, and this checkpoint was quantised by bitsandbytes`,
    remedy: 'Use the checkpoint that is not quantised, or train one adapter on this one.',
  });
}

/** A LoftQ adapter belongs to the codes that its own iterations gave. */
function refuseOtherCodes(given: readonly LoraAdapter[], args: TrainArgs): void {
  if (!given.some(({ loftqIterations }) => loftqIterations)) return;
  const { quantization_bit: bits, quantization_type: type, double_quantization: nested } = args;
  if (given.length === 1 && bits === 4 && type === 'nf4' && !nested && !args.create_new_adapter) return;
  throw new FactoryError({
    code: 'ADAPTERS_UNSUPPORTED',
    message: `an adapter that LoftQ began needs its base in 4 bits of type nf4 without double quantisation, and no other adapter beside it; found quantization_bit ${bits}, quantization_type ${type}, double_quantization ${nested}, ${given.length} adapters`,
    remedy: 'Set quantization_bit to 4, quantization_type to nf4 and double_quantization to false.',
  });
}

/** PiSSA needs the weights that it changes as plain values. */
function refusePackedBase(decoder: Decoder, given: readonly LoraAdapter[], modules: Iterable<string>): void {
  const changed = given.flatMap(({ start, pairs }) => (start ? pairs.map(({ module }) => module) : []));
  const packed = [...changed, ...modules].find((module) => !decoder.weights.has(`${module}.weight`));
  if (packed === undefined) return;
  throw new FactoryError({
    code: 'ADAPTERS_UNSUPPORTED',
    message: `PiSSA changes the weights of the base, but those of ${packed} rest packed or on the disk`,
    remedy:
      'Use the full-precision base without quantization_bit and stream_base, or the pissa_converted folder of the run.',
  });
}

function quantisationOf(args: TrainArgs): Quantisation | null {
  if (args.quantization_bit === 8) return { bits: 8 };
  if (args.quantization_bit === null) return null;
  return { bits: 4, kind: args.quantization_type, nested: args.double_quantization };
}

/** The head that the model or its last adapter was trained with, or a new one. */
async function valueHeadOf(args: TrainArgs, base: Base, use: 'train' | 'infer'): Promise<ValueHead | null> {
  if (args.stage !== 'rm' && (args.stage !== 'ppo' || use !== 'train')) return null;
  const { hiddenSize } = base.config;
  const dir = args.adapter_name_or_path.at(-1) ?? base.dir;
  const found = await readValueHead(dir, hiddenSize);
  return found ?? (use === 'train' ? initialValueHead(hiddenSize, args.seed) : null);
}
