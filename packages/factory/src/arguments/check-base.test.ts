// How the base rests: what the keys mean together, and which combinations are refused.
import { describe, expect, test } from 'vitest';
import { parseModelArgs, parseTrainArgs } from './parse.ts';

const deps = { readFile: () => '', env: {} };
const train = (words: string) =>
  parseTrainArgs(
    `--model_name_or_path M --do_train --dataset d --output_dir o ${words}`.trim().split(' '),
    deps,
  );

test('quantization_bit 4 means nf4 with double quantisation', () => {
  expect(train('--stage sft --quantization_bit 4 --lora_target q_proj,v_proj --fp16').args).toMatchObject({
    quantization_bit: 4,
    quantization_method: 'bnb',
    quantization_type: 'nf4',
    double_quantization: true,
  });
  expect(train('--quantization_bit 8').args.quantization_bit).toBe(8);
  expect(train('').args).toMatchObject({ quantization_bit: null, stream_base: false });
});

test('keys of 4 bits say when they do nothing', () => {
  const { notes } = train('--quantization_bit 8 --quantization_type fp4');
  expect(notes.find((note) => note.key === 'quantization_type')).toMatchObject({ kind: 'no_effect' });
  expect(train('--quantization_bit 4 --quantization_type fp4').notes.map((note) => note.key)).not.toContain(
    'quantization_type',
  );
});

describe('is refused', () => {
  test.each([
    ['--quantization_bit 3', 'ARGS_NOT_SUPPORTED', /bnb has 4 and 8 bits/],
    [
      '--quantization_bit 4 --quantization_method hqq',
      'ARGS_NOT_SUPPORTED',
      /quantization_method "hqq" is refused: only bnb/,
    ],
    [
      '--quantization_bit 4 --finetuning_type full',
      'ARGS_CONFLICT',
      /needs finetuning_type lora, found full/,
    ],
    ['--quantization_bit 4 --finetuning_type freeze', 'ARGS_CONFLICT', /found freeze/],
    ['--quantization_bit 4 --adapter_name_or_path a,b', 'ARGS_CONFLICT', /takes one adapter, found 2/],
    [
      '--quantization_bit 4 --adapter_name_or_path a --create_new_adapter',
      'ARGS_CONFLICT',
      /create_new_adapter merges/,
    ],
    ['--quantization_bit 8 --train_from_scratch', 'ARGS_CONFLICT', /train_from_scratch trains all weights/],
    ['--quantization_device_map auto --quantization_bit 4', 'ARGS_NOT_SUPPORTED', /quantization_device_map/],
    ['--stream_base --finetuning_type full', 'ARGS_CONFLICT', /stream_base needs finetuning_type lora/],
    ['--stream_base --quantization_bit 4', 'ARGS_CONFLICT', /Remove stream_base or quantization_bit/],
    ['--stream_base --adapter_name_or_path a,b', 'ARGS_CONFLICT', /streamed base takes one adapter/],
    ['--stream_base --train_from_scratch', 'ARGS_CONFLICT', /on no disk/],
    [
      '--model_name_or_path m.gguf --finetuning_type full',
      'ARGS_CONFLICT',
      /GGUF base needs finetuning_type lora/,
    ],
    [
      '--model_name_or_path m.gguf --quantization_bit 4',
      'ARGS_CONFLICT',
      /stay packed as they are in the file/,
    ],
    ['--model_name_or_path m.GGUF --stream_base', 'ARGS_CONFLICT', /stay packed/],
    [
      '--model_name_or_path m.gguf --adapter_name_or_path a,b',
      'ARGS_CONFLICT',
      /GGUF base takes one adapter/,
    ],
    ['--model_name_or_path m.gguf --train_from_scratch', 'ARGS_CONFLICT', /the base is a GGUF file/],
  ])('%s', (words, code, text) => {
    let error: unknown;
    try {
      train(words);
    } catch (e) {
      error = e;
    }
    expect(error).toMatchObject({ code });
    const { message, remedy } = error as { message: string; remedy: string };
    expect(`${message} ${remedy}`).toMatch(text);
  });

  test('when answering too', () => {
    expect(() => parseModelArgs('--model_name_or_path M --quantization_bit 5'.split(' '), [], deps)).toThrow(
      /bnb has 4 and 8 bits/,
    );
  });
});
