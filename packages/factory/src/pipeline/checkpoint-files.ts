// In: a decoder, its optimiser and the state of a run. Out: the files of one checkpoint, and back. Model files are those
// that PEFT and transformers load; the rest is what an exact resume needs.
import type { Optimizer } from '@tunesmith/engine';
import { convertPissa } from '#factory/adapters/convert-pissa.ts';
import { formatPeftConfig } from '#factory/adapters/peft-config.ts';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { formatConfig } from '#factory/model/format-config.ts';
import { f16ToF32, f32ToBf16, f32ToF16 } from '#factory/model/half.ts';
import type { StoredWeight } from '#factory/model/parameter.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { FileContent } from '#factory/store/atomic-file.ts';
import {
  encodeLazily,
  encodeSafetensors,
  type LazyTensor,
  type SafetensorsTensor,
} from '#factory/store/safetensors-format.ts';
import { decodeTensors, encodeTensors, type StateTensor } from '#factory/store/tensor-file.ts';
import { freshState, type RunState } from '#factory/train/run-state.ts';
import type { OpenedDecoder } from './open-decoder.ts';
import { valueHeadFile } from './value-head-file.ts';

const STATE_FILE = 'tunesmith_state.json';
const PARAMETERS_FILE = 'trained_parameters.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';

interface StateFile {
  format: 1;
  state: RunState;
  /** Lines of trainer_log.jsonl when the checkpoint was written. */
  logLines: number;
  /** Identity of the encoded rows. */
  dataFingerprint: string;
}

export type RunSnapshot = Omit<StateFile, 'format'>;

/** Everything that a resumed run needs; with `save_only_model`, nothing. */
export function stateFiles(
  decoder: Decoder,
  optimizer: Optimizer,
  snapshot: RunSnapshot,
): Record<string, FileContent> {
  const tensors = new Map<string, StateTensor>();
  decoder.parameters.forEach(({ name }, i) => {
    for (const [key, { shape, data }] of Object.entries(optimizer.states[i]))
      tensors.set(`${key}.${name}`, { dtype: data instanceof Float32Array ? 'F32' : 'I32', shape, data });
  });
  const state: StateFile = { format: 1, ...snapshot };
  return {
    [STATE_FILE]: `${JSON.stringify(state)}\n`,
    [OPTIMIZER_FILE]: encodeTensors(tensors),
    ...parameterFile(decoder),
  };
}

/** The parameters' values alone, exact whatever dtype the model is saved in. */
export function parameterFile(decoder: Decoder): Record<string, FileContent> {
  const values = new Map<string, StateTensor>();
  for (const { name, shape, value } of decoder.parameters)
    values.set(name, { dtype: 'F32', shape, data: value });
  return { [PARAMETERS_FILE]: encodeTensors(values) };
}

/**
 * Puts the parameters and the optimiser's state of a checkpoint in their places; returns the rest, or null where only the
 * model was saved.
 */
export function restore(
  files: ReadonlyMap<string, Uint8Array>,
  dir: string,
  decoder: Decoder,
  optimizer: Optimizer,
): RunSnapshot | null {
  const text = files.get(STATE_FILE);
  const bytes = files.get(OPTIMIZER_FILE);
  if (!text || !bytes) return null;
  restoreParameters(files, dir, decoder);
  const { state, logLines, dataFingerprint } = JSON.parse(new TextDecoder().decode(text)) as StateFile;
  const tensors = decodeTensors(bytes, `${dir}/${OPTIMIZER_FILE}`).tensors;
  optimizer.reset(state.step);
  decoder.parameters.forEach(({ name }, i) => {
    for (const [key, { data }] of Object.entries(optimizer.states[i]))
      data.set(take(tensors, `${key}.${name}`, data, dir));
  });
  // Checkpoints of earlier versions lack what was added to the state since.
  return { state: { ...freshState(), ...state }, logLines, dataFingerprint };
}

export function restoreParameters(
  files: ReadonlyMap<string, Uint8Array>,
  dir: string,
  decoder: Decoder,
): void {
  const bytes = files.get(PARAMETERS_FILE);
  const values = bytes ? decodeTensors(bytes, `${dir}/${PARAMETERS_FILE}`).tensors : new Map();
  for (const { name, value } of decoder.parameters) value.set(take(values, name, value, dir));
  decoder.parametersChanged();
}

/** The stored values for an array of the kind and length of `target`. */
function take(
  tensors: ReadonlyMap<string, StateTensor>,
  name: string,
  target: Float32Array | Int32Array,
  dir: string,
): Float32Array | Int32Array {
  const data = tensors.get(name)?.data;
  const { length } = target;
  if (data?.length === length && data instanceof Float32Array === target instanceof Float32Array) return data;
  throw new FactoryError({
    code: 'TRAIN_DRIFT',
    message: `${dir}: expected ${length} values for ${name}, found ${data?.length ?? 'no such tensor'}`,
    remedy:
      'Go on with the model, finetuning_type, targets, rank and optimiser that the run began with, or set another output_dir.',
  });
}

/** The tuned model as others load it: a PEFT adapter, or whole weights in the dtype of the base. */
export function modelFiles(opened: OpenedDecoder, args: TrainArgs): Record<string, FileContent> {
  const { decoder, adapter } = opened;
  const scoring = decoder.valueHead ? valueHeadFile(decoder.valueHead) : {};
  if (adapter) {
    const own = decoder.parameters.filter(({ name }) => !name.startsWith('v_head.'));
    const tensors = own.map(
      ({ name, shape, value }): SafetensorsTensor => ({
        name: `base_model.model.${name}`,
        dtype: 'F32',
        shape,
        data: value,
      }),
    );
    const origin = {
      baseModel: args.model_name_or_path,
      revision: args.model_revision === 'main' ? null : args.model_revision,
    };
    return {
      ...scoring,
      'adapter_model.safetensors': encodeSafetensors(tensors, { format: 'pt' }),
      'adapter_config.json': formatPeftConfig({ ...adapter, pairs: pairsOf(decoder, adapter.rank) }, origin),
    };
  }
  const { storedDtype, raw } = decoder.config;
  const convert = converter(storedDtype);
  const tensors = [...decoder.weights].map(([name, weight]) => convert(name, weight));
  return {
    ...scoring,
    'model.safetensors': encodeLazily(tensors, { format: 'pt' }),
    'config.json': formatConfig(raw),
  };
}

/** Adapter folders of a PiSSA run with `pissa_convert`, by the names of LLaMA-Factory: before training, after, and as LoRA. */
export function pissaFolders(
  { decoder, adapter, initial }: OpenedDecoder,
  args: TrainArgs,
): Record<'pissa_init' | 'pissa_backup' | 'pissa_converted', LoraAdapter> | null {
  if (!adapter || initial.size === 0 || !args.pissa_convert) return null;
  const pairs = pairsOf(decoder, adapter.rank);
  const now: LoraAdapter = { ...adapter, baseModel: args.model_name_or_path, pairs, start: null };
  const before = pairs.map((pair) => ({ ...pair, ...initial.get(pair.module) }));
  return {
    pissa_init: { ...now, pairs: before },
    pissa_backup: now,
    pissa_converted: convertPissa(now, initial),
  };
}

function pairsOf(decoder: Decoder, rank: number): LoraPair[] {
  const values = new Map(decoder.parameters.map(({ name, value }) => [name, value]));
  return [...values].flatMap(([name, a]) => {
    const module = /^(.+)\.lora_A\.weight$/.exec(name)?.[1];
    const b = values.get(`${module}.lora_B.weight`);
    return module && b
      ? [{ module, rank, inFeatures: a.length / rank, outFeatures: b.length / rank, a, b }]
      : [];
  });
}

/** Values that are converted at once while whole weights are saved. */
const PIECE_VALUES = 2 ** 20;
const SAVED = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

/** A weight as `target`; all weights of a file are made in one piece of memory, one after the other. */
function converter(target: ModelConfig['storedDtype']) {
  const wide = new Float32Array(PIECE_VALUES);
  const half = new Uint16Array(PIECE_VALUES);
  return (name: string, { shape, dtype, data }: StoredWeight): LazyTensor => ({
    name,
    dtype: SAVED[target],
    shape,
    *pieces() {
      for (let at = 0; at < data.length; at += PIECE_VALUES) {
        const part = data.subarray(at, at + PIECE_VALUES);
        if ((dtype === 'f16' ? 'float16' : 'float32') === target) yield part;
        else {
          const values = part instanceof Float32Array ? part : f16ToF32(part, wide.subarray(0, part.length));
          if (target === 'float32') yield values;
          else yield (target === 'bfloat16' ? f32ToBf16 : f32ToF16)(values, half.subarray(0, part.length));
        }
      }
    },
  });
}
