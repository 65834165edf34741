// In: final training arguments. Out: the rules between the keys of optimisers and of token losses that they break: LLaMA-Factory's, and those
// without which a key would be ignored.
import { parseOptimArgs } from '#factory/records/optim-args.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Broken, conflict, where } from './broken.ts';

const CUSTOM = ['use_galore', 'use_apollo', 'use_badam', 'use_adam_mini', 'use_muon'] as const;
type Rule = (args: TrainArgs) => [boolean, Broken];

const chosen = (args: TrainArgs): string[] => [
  ...CUSTOM.filter((key) => args[key]),
  ...(args.loraplus_lr_ratio === null ? [] : ['loraplus_lr_ratio']),
];

/** LLaMA-Factory takes the first of several and ignores the others. */
const onlyOne: Rule = (args) => [
  chosen(args).length > 1,
  conflict(
    chosen(args),
    `${chosen(args).join(' and ')} exclude each other: a run has one optimiser`,
    'Keep one of them.',
  ),
];

const notWithLora = (key: (typeof CUSTOM)[number]): Rule => {
  return (args) => [
    args[key] && args.finetuning_type === 'lora',
    conflict(
      [key, 'finetuning_type'],
      `${key} does not go with finetuning_type lora: it is for training whole matrices`,
      `Set finetuning_type to full, or remove ${key}.`,
    ),
  ];
};

const onAdamw = (key: (typeof CUSTOM)[number]): Rule => {
  return (args) => [
    args[key] && !args.optim.startsWith('adamw'),
    conflict(
      [key, 'optim'],
      `${key} is built on AdamW, but optim is ${args.optim}`,
      `Remove optim or ${key}.`,
    ),
  ];
};

const LOSSES = ['use_dft_loss', 'use_asft_loss', 'use_eaft_loss'] as const;

const LOSS_RULES: Rule[] = [
  (args) => [
    LOSSES.filter((key) => args[key]).length > 1,
    conflict(
      [...LOSSES],
      `${LOSSES.filter((key) => args[key]).join(' and ')} exclude each other: a token has one loss`,
      'Keep one of them.',
    ),
  ],
  ...LOSSES.map(
    (key): Rule =>
      (args) => [
        args[key] && args.stage !== 'sft',
        conflict(
          [key, 'stage'],
          `${key} needs stage sft, found ${args.stage}`,
          `Set stage to sft, or remove ${key}.`,
        ),
      ],
  ),
  (args) => [
    args.use_asft_loss && args.finetuning_type !== 'lora',
    conflict(
      ['use_asft_loss', 'finetuning_type'],
      `use_asft_loss compares with the model without its adapter, but finetuning_type is ${args.finetuning_type}`,
      'Set finetuning_type to lora, or remove use_asft_loss.',
    ),
  ],
  (args) => [
    args.use_asft_loss && args.ref_model !== null,
    conflict(
      ['use_asft_loss', 'ref_model'],
      'use_asft_loss compares with the model without its adapter and takes no ref_model',
      'Remove ref_model or use_asft_loss.',
    ),
  ],
];

const CUSTOM_RULES: Rule[] = [
  onlyOne,
  ...(['use_galore', 'use_apollo', 'use_badam', 'use_adam_mini'] as const).map(notWithLora),
  ...(['use_galore', 'use_apollo', 'use_adam_mini', 'use_muon'] as const).map(onAdamw),
  (args) => [
    args.use_badam && args.finetuning_type === 'freeze',
    conflict(
      ['use_badam', 'finetuning_type'],
      'use_badam trains every layer in turn, but finetuning_type freeze keeps some of them as they are',
      'Set finetuning_type to full, or remove use_badam.',
    ),
  ],
  (args) => [
    args.use_badam && args.badam_switch_mode === 'fixed' && args.badam_start_block === null,
    conflict(
      ['badam_switch_mode', 'badam_start_block'],
      'badam_switch_mode fixed trains one layer only, but badam_start_block does not say which',
      'Set badam_start_block to the number of a layer, from 0.',
    ),
  ],
  (args) => [
    args.use_badam && args.badam_switch_interval === 0,
    conflict(
      ['badam_switch_interval'],
      'badam_switch_interval 0 is no number of steps',
      'Set badam_switch_interval to at least 1, or to -1 to stay with one layer.',
    ),
  ],
];

export function optimizerRules(args: TrainArgs): Broken[] {
  const type = args.finetuning_type;
  const parsed = parseOptimArgs(args.optim, args.optim_args);
  return where(
    [
      !parsed.ok,
      conflict(
        ['optim_args', 'optim'],
        `optim_args: ${parsed.ok ? '' : parsed.problem}`,
        'Correct optim_args; betas, epsilon and decay are adam_beta1, adam_beta2, adam_epsilon and weight_decay.',
      ),
    ],
    ...[...CUSTOM_RULES, ...LOSS_RULES].map((rule) => rule(args)),
    [
      args.loraplus_lr_ratio !== null && type !== 'lora',
      conflict(
        ['loraplus_lr_ratio', 'finetuning_type'],
        `loraplus_lr_ratio needs finetuning_type lora, found ${type}`,
        'Set finetuning_type to lora, or remove loraplus_lr_ratio.',
      ),
    ],
  );
}
