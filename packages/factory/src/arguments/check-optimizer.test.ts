// Keys of optimisers that exclude or need one another are refused before anything is loaded; other names are translated.
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { parseTrainArgs } from './parse.ts';

const BASE = '--model_name_or_path M --do_train --dataset d --output_dir o';
const parsed = (text: string) =>
  parseTrainArgs(`${BASE} ${text}`.trim().split(' '), {
    readFile: () => '',
  });

describe('refused', () => {
  test.each([
    ['--finetuning_type full --loraplus_lr_ratio 16', 'needs finetuning_type lora'],
    ['--use_dft_loss --use_eaft_loss', 'a token has one loss'],
    ['--stage pt --use_eaft_loss', 'needs stage sft'],
    ['--finetuning_type full --use_asft_loss', 'without its adapter'],
    ['--use_galore', 'does not go with finetuning_type lora'],
    ['--finetuning_type full --use_galore --use_badam', 'a run has one optimiser'],
    ['--loraplus_lr_ratio 16 --use_muon', 'a run has one optimiser'],
    ['--finetuning_type full --use_apollo --optim adafactor', 'built on AdamW'],
    ['--finetuning_type freeze --use_badam', 'keeps some of them'],
    ['--finetuning_type full --use_badam --badam_switch_mode fixed', 'does not say which'],
    ['--finetuning_type full --use_badam --badam_switch_interval 0', 'no number of steps'],
    ['--use_galore --galore_layerwise', 'during the backward pass'],
    ['--use_badam --badam_mode ratio', 'layer mode is supported'],
    ['--optim sgd --optim_args momentum', 'expected name=value'],
    ['--optim sgd --optim_args beta=1', 'no setting of optim sgd'],
    ['--optim sgd --optim_args nesterov=true', 'momentum above 0'],
    ['--optim rmsprop --optim_args alpha=x', 'not usable'],
    ['--optim adafactor --optim_args scale_parameter=true', 'it has: none'],
  ])('%s', (text, message) => {
    let error: unknown;
    try {
      parsed(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FactoryError);
    const { code, message: found, remedy } = error as FactoryError;
    expect(code).toMatch(/^ARGS_(CONFLICT|NOT_SUPPORTED)$/);
    expect(found).toContain(message);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  });
});

test.each([
  ['adamw_hf', 'adamw_torch'],
  ['paged_adamw_32bit', 'adamw_torch'],
  ['paged_lion_32bit', 'lion_32bit'],
  ['adamw_bnb_8bit', 'adamw_8bit'],
  ['paged_adamw_8bit', 'adamw_8bit'],
])('optim %s is read as %s, with a note', (given, meant) => {
  const { args, notes } = parsed(`--optim ${given}`);
  expect(args.optim).toBe(meant);
  expect(notes).toContainEqual(expect.objectContaining({ key: 'optim', kind: 'translated' }));
});

test('optim keeps the names that need no translation', () => {
  expect(parsed('').args.optim).toBe('adamw_torch_fused');
  const { args, notes } = parsed('--optim sgd --optim_args momentum=0.9,nesterov=true');
  expect([args.optim, args.optim_args]).toEqual(['sgd', 'momentum=0.9,nesterov=true']);
  expect(notes.filter((note) => note.key === 'optim')).toEqual([]);
});

test('keys without the one that they act with are noted', () => {
  const { notes } = parsed(
    '--galore_rank 4 --asft_alpha 0.2 --finetuning_type full --use_apollo --apollo_rank 4',
  );
  const idle = notes.filter((note) => note.kind === 'no_effect').map((note) => note.key);
  expect(idle).toEqual(['galore_rank', 'asft_alpha']);
});
