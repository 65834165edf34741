// In: final arguments. Out: the rules that they break on how the frozen base rests: quantised, streamed, or a GGUF file.
// The rules on quantisation are LLaMA-Factory's; none of them needs the model.
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Broken, conflict, notSupported, where } from './broken.ts';

export function baseRules(args: TrainArgs): Broken[] {
  return [...quantisationRules(args), ...streamRules(args), ...ggufRules(args)];
}

function quantisationRules(args: TrainArgs): Broken[] {
  const bits = args.quantization_bit;
  if (bits === null) return [];
  return where(
    [
      bits !== 4 && bits !== 8,
      notSupported(
        'quantization_bit',
        `quantization_bit ${bits} is refused: bnb has 4 and 8 bits`,
        'Set quantization_bit to 4 or 8.',
      ),
    ],
    [
      args.finetuning_type !== 'lora',
      conflict(
        ['quantization_bit', 'finetuning_type'],
        `quantization_bit needs finetuning_type lora, found ${args.finetuning_type}: quantised weights cannot be trained`,
        'Set finetuning_type to lora, or remove quantization_bit.',
      ),
    ],
    [
      args.create_new_adapter,
      conflict(
        ['quantization_bit', 'create_new_adapter'],
        'create_new_adapter merges the given adapters into the base, which is not possible when quantization_bit quantises it',
        'Merge the adapters into the full-precision base first, or remove create_new_adapter.',
      ),
    ],
    [
      args.adapter_name_or_path.length > 1,
      conflict(
        ['quantization_bit', 'adapter_name_or_path'],
        `a quantised base takes one adapter, found ${args.adapter_name_or_path.length}: all but the last would be merged into it`,
        'Merge the adapters into the full-precision base first, or give one adapter.',
      ),
    ],
    [
      args.train_from_scratch,
      conflict(
        ['quantization_bit', 'train_from_scratch'],
        'train_from_scratch trains all weights, and quantization_bit freezes them',
        'Remove train_from_scratch or quantization_bit.',
      ),
    ],
  );
}

function streamRules(args: TrainArgs): Broken[] {
  if (!args.stream_base) return [];
  return where(
    [
      args.finetuning_type !== 'lora',
      conflict(
        ['stream_base', 'finetuning_type'],
        `stream_base needs finetuning_type lora, found ${args.finetuning_type}: only layers that never change can stay on the disk`,
        'Set finetuning_type to lora, or remove stream_base.',
      ),
    ],
    [
      args.quantization_bit !== null,
      conflict(
        ['stream_base', 'quantization_bit'],
        'stream_base leaves the layers on the disk in full precision, and quantization_bit keeps them in memory',
        'Remove stream_base or quantization_bit.',
      ),
    ],
    [
      args.create_new_adapter || args.adapter_name_or_path.length > 1,
      conflict(
        ['stream_base', 'adapter_name_or_path'],
        'a streamed base takes one adapter: others would be merged into it, and it stays on the disk as it is',
        'Merge the adapters into the base first, or remove stream_base.',
      ),
    ],
    [
      args.train_from_scratch,
      conflict(
        ['stream_base', 'train_from_scratch'],
        'train_from_scratch makes weights that are on no disk',
        'Remove train_from_scratch or stream_base.',
      ),
    ],
  );
}

function ggufRules(args: TrainArgs): Broken[] {
  if (!args.model_name_or_path?.toLowerCase().endsWith('.gguf')) return [];
  const folder = 'use the Hugging Face folder of the model as model_name_or_path';
  return where(
    [
      args.finetuning_type !== 'lora',
      conflict(
        ['model_name_or_path', 'finetuning_type'],
        `a GGUF base needs finetuning_type lora, found ${args.finetuning_type}: packed weights cannot be trained`,
        `Set finetuning_type to lora, or ${folder}.`,
      ),
    ],
    [
      args.quantization_bit !== null || args.stream_base,
      conflict(
        ['model_name_or_path', 'quantization_bit', 'stream_base'],
        'the layers of a GGUF base stay packed as they are in the file; quantization_bit and stream_base are for other bases',
        `Remove quantization_bit and stream_base, or ${folder}.`,
      ),
    ],
    [
      args.create_new_adapter || args.adapter_name_or_path.length > 1,
      conflict(
        ['model_name_or_path', 'adapter_name_or_path'],
        'a GGUF base takes one adapter: others would be merged into it, which is not possible while it is packed',
        'Merge the adapters into the full-precision base first, or give one adapter.',
      ),
    ],
    [
      args.train_from_scratch,
      conflict(
        ['model_name_or_path', 'train_from_scratch'],
        'train_from_scratch makes the weights of a folder with config.json, and the base is a GGUF file',
        `Remove train_from_scratch, or ${folder}.`,
      ),
    ],
  );
}
