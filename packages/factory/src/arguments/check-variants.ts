// In: final training arguments. Out: the rules between the keys of LoRA variants that they break.
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Broken, conflict, where } from './broken.ts';

export function variantRules(args: TrainArgs): Broken[] {
  const type = args.finetuning_type;
  const hasReference =
    args.stage === 'kto' ||
    (args.stage === 'dpo' && args.pref_loss !== 'orpo' && args.pref_loss !== 'simpo') ||
    args.stage === 'ppo' ||
    (args.stage === 'grpo' && args.grpo_beta > 0);
  return where(
    ...(['use_rslora', 'use_dora', 'pissa_init', 'loftq_init'] as const).map((key): [boolean, Broken] => [
      args[key] && type !== 'lora',
      conflict(
        [key, 'finetuning_type'],
        `${key} needs finetuning_type lora, found ${type}`,
        `Set finetuning_type to lora, or remove ${key}.`,
      ),
    ]),
    [
      Boolean(args.moe_aux_loss_coef) && args.stage !== 'sft' && args.stage !== 'pt',
      conflict(
        ['moe_aux_loss_coef', 'stage'],
        `moe_aux_loss_coef is added to the loss of tokens, which stage ${args.stage} does not have`,
        'Remove moe_aux_loss_coef, or set stage to sft or pt.',
      ),
    ],
    [
      args.pissa_init && hasReference,
      conflict(
        ['pissa_init', 'stage'],
        `pissa_init changes the base weights, which are the reference of stage ${args.stage}`,
        'Remove pissa_init.',
      ),
    ],
    [
      args.pissa_init && (args.quantization_bit !== null || args.stream_base),
      conflict(
        ['pissa_init', args.stream_base ? 'stream_base' : 'quantization_bit'],
        'pissa_init changes the base weights, which must rest in memory in full precision',
        'Remove pissa_init, or quantization_bit and stream_base.',
      ),
    ],
    [
      args.loftq_init && (args.quantization_bit !== 4 || args.quantization_type !== 'nf4'),
      conflict(
        ['loftq_init', 'quantization_bit'],
        'loftq_init makes up for what nf4 codes miss, so it needs a base in 4 bits of type nf4',
        'Set quantization_bit to 4 and quantization_type to nf4, or remove loftq_init.',
      ),
    ],
    [
      args.loftq_init && args.loftq_iter > 1 && args.double_quantization,
      conflict(
        ['loftq_iter', 'double_quantization'],
        'more than one iteration of LoftQ changes the base, which PEFT makes again without double quantisation',
        'Set double_quantization to false, or loftq_iter to 1.',
      ),
    ],
    [
      args.loftq_init && args.pissa_init,
      conflict(
        ['loftq_init', 'pissa_init'],
        'loftq_init and pissa_init are two ways to begin',
        'Remove one of them.',
      ),
    ],
    [
      args.loftq_init && hasReference,
      conflict(
        ['loftq_init', 'stage'],
        `loftq_init begins with adapters that act, but the reference of stage ${args.stage} is the model without them`,
        'Remove loftq_init.',
      ),
    ],
    [
      args.pissa_init && args.pissa_convert && args.use_dora,
      conflict(
        ['pissa_convert', 'use_dora'],
        'pissa_convert makes a plain LoRA adapter, which cannot hold the magnitudes of use_dora',
        'Remove pissa_convert or use_dora.',
      ),
    ],
  );
}
