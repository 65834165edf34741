// In: the trained parameters of a model and the optimiser's arguments. Out: the optimiser of the run: which rule each
// parameter gets, its share of the learning rate and its weight decay. Groups are those of Hugging Face's Trainer and of
// LLaMA-Factory's optimisers; the rules themselves are the engine's.
import {
  adafactorRule,
  adagradRule,
  adamMiniRule,
  adamw8BitRule,
  adamwRule,
  apolloRule,
  badamRule,
  classicAdamwRule,
  galoreRule,
  lionRule,
  MIN_8BIT_SIZE,
  matrixProduct,
  muonRule,
  Optimizer,
  type ParameterPlan,
  rmspropRule,
  sgdRule,
  type UpdateRule,
} from '@tunesmith/engine';
import { FactoryError, invariant } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { Parameter } from '#factory/model/parameter.ts';
import { parseOptimArgs } from '#factory/records/optim-args.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

export type OptimizerArgs = Pick<
  TrainArgs,
  | 'seed'
  | 'optim'
  | 'optim_args'
  | 'learning_rate'
  | 'weight_decay'
  | 'adam_beta1'
  | 'adam_beta2'
  | 'adam_epsilon'
  | 'loraplus_lr_ratio'
  | 'loraplus_lr_embedding'
  | 'use_galore'
  | 'galore_target'
  | 'galore_rank'
  | 'galore_update_interval'
  | 'galore_scale'
  | 'galore_proj_type'
  | 'use_apollo'
  | 'apollo_target'
  | 'apollo_rank'
  | 'apollo_update_interval'
  | 'apollo_scale'
  | 'apollo_proj'
  | 'apollo_proj_type'
  | 'apollo_scale_type'
  | 'apollo_scale_front'
  | 'use_badam'
  | 'badam_start_block'
  | 'badam_switch_mode'
  | 'badam_switch_interval'
  | 'use_adam_mini'
  | 'use_muon'
>;

type TrainedModel = Pick<Decoder, 'parameters' | 'backend' | 'config'>;
/** Which rule a parameter gets, and its shares. */
type Plan = (parameter: Parameter) => ParameterPlan;

export function makeOptimizer(model: TrainedModel, args: OptimizerArgs): Optimizer {
  const byName = new Map(model.parameters.map((p) => [p.name, p]));
  const plan = planOf(model, args);
  return new Optimizer(model.parameters, ({ name }) => plan(byName.get(name) as Parameter));
}

/**
 * Bytes that the optimiser will keep once it is under way. Arrays are made and dropped at once, one parameter at a time:
 * memory that nobody writes is not taken from the system.
 */
export function optimizerBytes(model: TrainedModel, args: OptimizerArgs): number {
  const plan = planOf(model, args);
  const known = new Map<UpdateRule, Map<string, number>>();
  let total = 0;
  for (const parameter of model.parameters) {
    const { rule } = plan(parameter);
    const sizes = known.get(rule) ?? new Map<string, number>();
    known.set(rule, sizes);
    const key = parameter.shape.join();
    const bytes =
      sizes.get(key) ??
      Object.values(rule.makeState(parameter.shape, 1)).reduce((n, { data }) => {
        const { byteLength } = data;
        (data.buffer as ArrayBuffer).transfer(0);
        return n + byteLength;
      }, 0);
    sizes.set(key, bytes);
    total += bytes;
  }
  return total;
}

function planOf(model: TrainedModel, args: OptimizerArgs): Plan {
  // Biases and norms do not decay.
  const plain =
    (rule: (parameter: Parameter) => UpdateRule): Plan =>
    (parameter) => ({
      rule: rule(parameter),
      lrScale: 1,
      weightDecay: parameter.decay ? args.weight_decay : 0,
    });
  if (args.use_galore || args.use_apollo) return plain(lowRank(model, args));
  if (args.use_badam) return plain(blockwise(model, args));
  if (args.use_adam_mini) return plain((parameter) => adamMini(parameter, model, args));
  if (args.use_muon) return muon(model, args);
  const rule = ruleOf(args);
  const wide = adamwRule(momentsOf(args));
  const ruleFor = (parameter: Parameter) =>
    args.optim === 'adamw_8bit' && keepsFullState(parameter) ? wide : rule;
  const ratio = args.loraplus_lr_ratio;
  if (ratio === null) return plain(ruleFor);
  return (parameter) => ({ rule: ruleFor(parameter), ...loraPlus(parameter, args, ratio) });
}

const momentsOf = (args: OptimizerArgs) => ({
  beta1: args.adam_beta1,
  beta2: args.adam_beta2,
  eps: args.adam_epsilon,
});

/** By the rules of bitsandbytes and of Hugging Face's Trainer: small parameters and embeddings. */
const keepsFullState = ({ name, shape }: Parameter) =>
  shape.reduce((n, d) => n * d, 1) < MIN_8BIT_SIZE || name.includes('embed_tokens');

/** The rule of `optim`. */
function ruleOf(args: OptimizerArgs): UpdateRule {
  const parsed = parseOptimArgs(args.optim, args.optim_args);
  invariant(parsed.ok, 'optim_args has been checked');
  const number = (name: string) => parsed.values[name] as number;
  const flag = (name: string) => parsed.values[name] as boolean;
  const adamw = () => adamwRule(momentsOf(args));
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
    lion_32bit: () => lionRule(momentsOf(args)),
    adamw_8bit: () => adamw8BitRule(momentsOf(args)),
  };
  return rules[args.optim]();
}

/** LoRA+ (Hayou, Ghosh and Yu 2024): B and one-dimensional parameters learn `ratio` times as fast as A. */
function loraPlus(
  { name, shape, decay }: Parameter,
  args: OptimizerArgs,
  ratio: number,
): Pick<ParameterPlan, 'lrScale' | 'weightDecay'> {
  const weightDecay = args.weight_decay;
  if (name.includes('lora_embedding_B'))
    return { lrScale: args.loraplus_lr_embedding / args.learning_rate, weightDecay };
  if (name.includes('lora_B') || shape.length === 1)
    return { lrScale: ratio, weightDecay: decay ? weightDecay : 0 };
  return { lrScale: 1, weightDecay };
}

/** GaLore or APOLLO on the matrices of linear layers that are targets; their AdamW on all other parameters. */
function lowRank({ parameters, backend }: TrainedModel, args: OptimizerArgs): (p: Parameter) => UpdateRule {
  const product = matrixProduct(backend);
  const moments = momentsOf(args);
  const key = args.use_galore ? 'galore_target' : 'apollo_target';
  const isTarget = targetsOf(parameters, key, args[key]);
  const others = classicAdamwRule(moments, 'after');
  const targets = args.use_galore
    ? galoreRule(
        {
          ...moments,
          rank: args.galore_rank,
          interval: args.galore_update_interval,
          scale: args.galore_scale,
          side: args.galore_proj_type,
        },
        product,
      )
    : apolloRule(
        {
          ...moments,
          rank: args.apollo_rank,
          interval: args.apollo_update_interval,
          scale: args.apollo_scale,
          side: args.apollo_proj_type,
          scaling: args.apollo_scale_type,
          scaleFront: args.apollo_scale_front,
          projection: args.apollo_proj,
        },
        product,
        (name, refresh, count) => normals(`${args.seed}/apollo/${name}/${refresh}`, count),
      );
  return (parameter) => (isTarget(parameter) ? targets : others);
}

/** `all`: every linear layer but the head. Otherwise linear layers with one of the texts in their name. */
function targetsOf(
  parameters: readonly Parameter[],
  key: string,
  targets: readonly string[],
): (parameter: Parameter) => boolean {
  const isMatrix = ({ name, shape }: Parameter) => shape.length === 2 && !name.includes('embed');
  const wantsAll = targets.length === 1 && targets[0] === 'all';
  const matches = ({ name }: Parameter, target: string) => name.replace(/\.weight$/, '').includes(target);
  const unknown = wantsAll
    ? []
    : targets.filter((t) => !parameters.some((p) => isMatrix(p) && matches(p, t)));
  if (unknown.length > 0)
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `${key}: no trained linear layer has ${unknown.join(', ')} in its name`,
      remedy: `Set ${key} to all, or to parts of module names such as q_proj,mlp.`,
    });
  return (parameter) =>
    isMatrix(parameter) &&
    (wantsAll ? !parameter.name.startsWith('lm_head') : targets.some((t) => matches(parameter, t)));
}

/** Standard normal values (Box and Muller 1958). */
function normals(seed: string, count: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()),
  );
}

/** BAdam: blocks are decoder layers; embedding, final norm and head are never trained. */
function blockwise({ config }: TrainedModel, args: OptimizerArgs): (p: Parameter) => UpdateRule {
  const { layers } = config;
  const start = args.badam_start_block;
  if (start !== null && start >= layers)
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `badam_start_block: the model has layers 0 to ${layers - 1}, found ${start}`,
      remedy: `Set badam_start_block to at most ${layers - 1}.`,
    });
  const mode = args.badam_switch_mode;
  const shuffled = (cycle: number) =>
    seededRandom(`${args.seed}/badam/${cycle}`).shuffle([...Array(layers).keys()]);
  const blockAt: Record<typeof mode, (turn: number) => number> = {
    ascending: (turn) => ((start ?? 0) + turn) % layers,
    descending: (turn) => ((((start ?? layers - 1) - turn) % layers) + layers) % layers,
    random: (turn) => {
      if (start !== null && turn === 0) return start;
      const n = start === null ? turn : turn - 1;
      return shuffled(Math.floor(n / layers))[n % layers];
    },
    fixed: () => start ?? 0,
  };
  const interval = args.badam_switch_interval < 0 ? Number.POSITIVE_INFINITY : args.badam_switch_interval;
  const rule = ruleOf(args);
  return ({ name }) => {
    const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
    return badamRule(rule, { interval, blockAt: blockAt[mode] }, layer === undefined ? null : Number(layer));
  };
}

/** Queries and keys by head, other matrices by row, norms as one block; biases are AdamW's. */
function adamMini({ name, shape }: Parameter, { config }: TrainedModel, args: OptimizerArgs): UpdateRule {
  const moments = momentsOf(args);
  if (name.includes('bias')) return adamwRule(moments);
  if (shape.length === 1) return adamMiniRule(moments, 1);
  if (!/[qk]_proj/.test(name)) return adamMiniRule(moments, shape[0]);
  // The reference takes hidden² / heads values for a head, whatever the size of heads.
  const perHead = Math.floor(config.hiddenSize ** 2 / config.heads);
  const count = shape[0] * shape[1];
  if (count % perHead !== 0)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `use_adam_mini: ${name} has ${count} values, which are not whole heads of ${perHead}`,
      remedy: 'Remove use_adam_mini for this model.',
    });
  return adamMiniRule(moments, count / perHead);
}

/** Muon on matrices but embedding and head, its AdamW on the rest; all of them decay. */
function muon({ backend }: TrainedModel, args: OptimizerArgs): Plan {
  const matrices = muonRule(matrixProduct(backend));
  const others = classicAdamwRule(momentsOf(args), 'before');
  return ({ name, shape }) => ({
    rule: shape.length === 2 && !/embed|lm_head/.test(name) ? matrices : others,
    lrScale: 1,
    weightDecay: args.weight_decay,
  });
}
