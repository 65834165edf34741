// In: final training arguments. Out: the rules between the keys of optimisers that they break: LLaMA-Factory's, and those
// without which a key would be ignored.
import { parseOptimArgs } from '#factory/records/optim-args.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Broken, conflict, where } from './broken.ts';

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
