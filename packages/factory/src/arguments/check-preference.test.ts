// Keys of stages dpo, kto and rm: what is understood, what has no effect, and what is refused before anything is loaded.
import { expect, test } from 'vitest';
import { parseTrainArgs } from './parse.ts';

const deps = {
  readFile: () => {
    throw new Error('no file');
  },
};
const train = (words: string) =>
  parseTrainArgs(`--model_name_or_path M --do_train --dataset d ${words}`.split(' ').filter(Boolean), deps);

test('the older stage orpo is stage dpo with that loss', () => {
  expect(train('--stage orpo --orpo_beta 0.2').args).toMatchObject({
    stage: 'dpo',
    pref_loss: 'orpo',
    pref_beta: 0.2,
  });
});

test('defaults are LLaMA-Factory’s', () => {
  expect(train('--stage dpo').args).toMatchObject({
    ...{ pref_beta: 0.1, pref_ftx: 0, pref_bco_weight: 0, pref_loss: 'sigmoid', dpo_label_smoothing: 0 },
    ...{ simpo_gamma: 0.5, ld_alpha: null, ref_model: null, ref_model_adapters: [] },
    ...{ kto_chosen_weight: 1, kto_rejected_weight: 1 },
  });
});

test.each([
  ['--stage sft --pref_beta 0.2', ['pref_beta']],
  ['--stage dpo --pref_loss simpo --simpo_gamma 1 --ref_model R', ['ref_model']],
  ['--stage dpo --simpo_gamma 1 --kto_chosen_weight 2', ['simpo_gamma', 'kto_chosen_weight']],
  ['--stage kto --pref_loss ipo --kto_rejected_weight 2 --lora_dropout 0.1', ['pref_loss', 'lora_dropout']],
  ['--stage rm --lora_dropout 0.1', []],
])('%s: keys that do not act are named', (words, keys) => {
  const idle = train(words).notes.flatMap(({ kind, key }) => (kind === 'no_effect' ? [key] : []));
  expect(idle.sort()).toEqual([...keys].sort());
});

test.each([
  ['--stage dpo --pref_loss kto_pair', 'ARGS_NOT_SUPPORTED', /kto_pair/],
  ['--stage dpo --pref_loss hinge --dpo_label_smoothing 0.1', 'ARGS_CONFLICT', /sigmoid only, found hinge/],
  ['--stage dpo --ref_model_adapters a', 'ARGS_MISSING', /without their ref_model/],
  ['--stage dpo --ref_model_quantization_bit 3', 'ARGS_NOT_SUPPORTED', /4 and 8 bits/],
  ['--stage rm --packing true', 'ARGS_CONFLICT', /packing joins rows/],
  ['--stage kto --do_predict --val_size 0.1', 'ARGS_CONFLICT', /do_predict is for stages sft/],
  ['--stage dpo --compute_accuracy', 'ARGS_CONFLICT', /metrics of its own/],
  ['--stage dpo --pref_beta 0', 'ARGS_BAD_VALUE', /pref_beta: .*above 0/],
  [
    '--stage rm --load_best_model_at_end --eval_strategy steps --val_size 0.1 --save_steps 10 --eval_steps 10',
    'ARGS_CONFLICT',
    /stage rm/,
  ],
])('%s is refused', (words, code, message) => {
  expect(() => train(words)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  );
});

test('metrics of the stage may choose the best checkpoint', () => {
  const best =
    '--load_best_model_at_end --eval_strategy steps --val_size 0.1 --save_steps 10 --eval_steps 10 --metric_for_best_model rewards/accuracies';
  expect(train(`--stage dpo ${best}`).args.greater_is_better).toBe(true);
  expect(() => train(`--stage sft ${best}`)).toThrow(/not computed by this run/);
});
