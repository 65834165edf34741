// In: trained parameters and the optimiser's arguments. Out: the optimiser of the run: which rule each parameter gets, its
// share of the learning rate and its weight decay. Groups are those of Hugging Face's Trainer and of LLaMA-Factory's
// optimisers; the rules themselves are the engine's.
import {
  adafactorRule,
  adagradRule,
  adamwRule,
  lionRule,
  Optimizer,
  type ParameterPlan,
  rmspropRule,
  sgdRule,
  type UpdateRule,
} from '@tunesmith/engine';
import { invariant } from '#factory/errors.ts';
import type { Parameter } from '#factory/model/parameter.ts';
import { parseOptimArgs } from '#factory/records/optim-args.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

export type OptimizerArgs = Pick<
  TrainArgs,
  | 'optim'
  | 'optim_args'
  | 'learning_rate'
  | 'weight_decay'
  | 'adam_beta1'
  | 'adam_beta2'
  | 'adam_epsilon'
  | 'loraplus_lr_ratio'
  | 'loraplus_lr_embedding'
>;

type Shares = Pick<ParameterPlan, 'lrScale' | 'weightDecay'>;

export function makeOptimizer(parameters: readonly Parameter[], args: OptimizerArgs): Optimizer {
  const byName = new Map(parameters.map((p) => [p.name, p]));
  const rule = ruleOf(args);
  return new Optimizer(parameters, ({ name }) => ({ rule, ...shares(byName.get(name) as Parameter, args) }));
}

function ruleOf(args: OptimizerArgs): UpdateRule {
  const parsed = parseOptimArgs(args.optim, args.optim_args);
  invariant(parsed.ok, 'optim_args has been checked');
  const number = (name: string) => parsed.values[name] as number;
  const flag = (name: string) => parsed.values[name] as boolean;
  const betas = { beta1: args.adam_beta1, beta2: args.adam_beta2 };
  const adamw = () => adamwRule({ ...betas, eps: args.adam_epsilon });
  const rules: Record<OptimizerArgs['optim'], () => UpdateRule> = {
    adamw_torch: adamw,
    adamw_torch_fused: adamw,
    adafactor: () => adafactorRule(),
    sgd: () =>
      sgdRule({
        momentum: number('momentum'),
        dampening: number('dampening'),
        nesterov: flag('nesterov'),
      }),
    adagrad: () => adagradRule({ lrDecay: number('lr_decay'), eps: number('eps') }),
    rmsprop: () =>
      rmspropRule({
        alpha: number('alpha'),
        eps: number('eps'),
        momentum: number('momentum'),
        centered: flag('centered'),
      }),
    lion_32bit: () => lionRule(betas),
  };
  return rules[args.optim]();
}

/** Biases and norms do not decay. */
function shares(parameter: Parameter, args: OptimizerArgs): Shares {
  const weightDecay = parameter.decay ? args.weight_decay : 0;
  return args.loraplus_lr_ratio === null
    ? { lrScale: 1, weightDecay }
    : loraPlus(parameter, args, args.loraplus_lr_ratio);
}

/** LoRA+ (Hayou, Ghosh and Yu 2024): B and one-dimensional parameters learn `ratio` times as fast as A. */
function loraPlus({ name, shape, decay }: Parameter, args: OptimizerArgs, ratio: number): Shares {
  const weightDecay = args.weight_decay;
  if (name.includes('lora_embedding_B'))
    return { lrScale: args.loraplus_lr_embedding / args.learning_rate, weightDecay };
  if (name.includes('lora_B') || shape.length === 1)
    return { lrScale: ratio, weightDecay: decay ? weightDecay : 0 };
  return { lrScale: 1, weightDecay };
}
