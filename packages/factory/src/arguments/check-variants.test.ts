// The rules between the keys of LoRA variants.
import { expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { parseTrainArgs } from './parse.ts';

const train = (words: string) =>
  parseTrainArgs(
    `--model_name_or_path M --do_train --dataset D --template default ${words}`.trim().split(' '),
    { readFile: () => '' },
  );

test.each([
  ['--use_dora --finetuning_type full', /use_dora needs finetuning_type lora, found full/],
  ['--pissa_init --finetuning_type freeze', /pissa_init needs finetuning_type lora, found freeze/],
  ['--pissa_init --quantization_bit 4', /must rest in memory in full precision/],
  ['--pissa_init --stream_base', /must rest in memory in full precision/],
  ['--pissa_init --stage kto', /reference of stage kto/],
  ['--pissa_init --stage dpo', /reference of stage dpo/],
  ['--pissa_init --pissa_convert --use_dora', /cannot hold the magnitudes/],
])('%s is refused', (words, message) => {
  try {
    train(words);
  } catch (error) {
    expect(error).toBeInstanceOf(FactoryError);
    expect(error).toMatchObject({ code: 'ARGS_CONFLICT', message: expect.stringMatching(message) });
    return;
  }
  expect.unreachable();
});

test('variants join freely otherwise, and idle keys are told', () => {
  const { args, notes } = train(
    '--use_dora --use_rslora --pissa_init --additional_target embed_tokens,lm_head',
  );
  expect(args).toMatchObject({
    use_dora: true,
    pissa_init: true,
    pissa_iter: 16,
    additional_target: ['embed_tokens', 'lm_head'],
  });
  expect(notes.some(({ kind }) => kind === 'no_effect')).toBe(false);
  expect(train('--pissa_init --stage dpo --pref_loss orpo').args.pissa_init).toBe(true);
  const idle = train('--pissa_convert --finetuning_type full --additional_target norm').notes.map(
    ({ text }) => text,
  );
  expect(idle.join()).toMatch(/pissa_convert has no effect.*pissa_init/);
  expect(idle.join()).toMatch(/additional_target has no effect.*finetuning_type lora/);
});
