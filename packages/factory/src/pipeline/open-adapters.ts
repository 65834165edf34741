// In: an opened base and the finetuning arguments. Out: which adapters are merged into the base, which one goes on or begins,
// and what of the base is trained, by LLaMA-Factory's rules for `adapter_name_or_path` and `create_new_adapter`.
import type { MatrixProduct } from '@tunesmith/engine';
import { loraScale, mergeIntoWeights } from '#factory/adapters/merge.ts';
import { checkAdapterFits, readPeftAdapter } from '#factory/adapters/peft.ts';
import { FactoryError } from '#factory/errors.ts';
import { initialLora } from '#factory/model/initial-lora.ts';
import type { InitialPair, LoraOptions } from '#factory/model/layer-spec-of.ts';
import { loftqPair } from '#factory/model/loftq.ts';
import type { QuantiseWithAdapter } from '#factory/model/park-weights.ts';
import { takePrincipalPair } from '#factory/model/principal-pair.ts';
import { selectTrainable } from '#factory/model/trainable.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

/** An adapter's settings, without its values. */
export type AdapterSettings = Omit<LoraAdapter, 'pairs' | 'whole'>;

export interface OpenedAdapters {
  merged: LoraAdapter[];
  /** The adapter that goes on, or null where one begins or there is none. */
  continued: LoraAdapter | null;
  settings: AdapterSettings | null;
  lora: LoraOptions | null;
  /** Base tensors that are trained. */
  tensors: Set<string>;
}

/** `shapes`: of every tensor that the base has, its head among them although it may be tied. */
export async function openAdapters(
  args: TrainArgs,
  config: ModelConfig,
  shapes: ReadonlyMap<string, number[]>,
  use: 'train' | 'infer',
): Promise<OpenedAdapters> {
  if (args.moe_aux_loss_coef && !config.experts)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `moe_aux_loss_coef: expected a model with experts, found ${config.architecture}`,
      remedy: 'Remove moe_aux_loss_coef.',
    });
  const given: LoraAdapter[] = [];
  for (const dir of args.adapter_name_or_path) {
    const adapter = await readPeftAdapter(dir);
    checkAdapterFits(adapter, shapes);
    given.push(adapter);
  }
  const makesNew =
    use === 'train' && args.finetuning_type === 'lora' && (given.length === 0 || args.create_new_adapter);
  const merged = makesNew ? given : given.slice(0, -1);
  const continued = makesNew ? null : (given.at(-1) ?? null);
  if (continued) {
    if (
      use === 'train' &&
      (continued.whole || continued.start || continued.loftqIterations) &&
      args.ref_model === null &&
      (args.stage === 'dpo' || args.stage === 'kto')
    )
      throw new FactoryError({
        code: 'ADAPTERS_UNSUPPORTED',
        message: `the adapter ${continued.start || continued.loftqIterations ? `changes the base weights (${continued.start ? 'PiSSA' : 'LoftQ'})` : `brings whole modules (${continued.modulesToSave?.join(', ')})`}, so the model without it cannot be the reference of stage ${args.stage}`,
        remedy: 'Set ref_model to the base model, or merge the adapter with create_new_adapter.',
      });
    const tensors = use === 'train' ? (continued.whole ?? []).map(({ name }) => name) : [];
    return { merged, continued, ...continueAdapter(continued, args, use), tensors: new Set(tensors) };
  }
  if (use === 'infer') return { merged, continued, settings: null, lora: null, tensors: new Set() };
  const choice = selectTrainable(config, args);
  const fresh = choice.loraModules.length > 0 ? newAdapter(choice.loraModules, args, shapes) : noAdapter;
  return { merged, continued, ...fresh, tensors: choice.tensors };
}

const noAdapter = { settings: null, lora: null };

function newAdapter(loraModules: readonly string[], args: TrainArgs, shapes: ReadonlyMap<string, number[]>) {
  const { lora_rank: rank, lora_alpha: alpha, use_rslora: useRslora, use_dora: useDora } = args;
  const shapeOf = (module: string) => shapes.get(`${module}.weight`) as number[];
  const modules = initialLora(loraModules, shapeOf, rank, args.seed);
  const settings: AdapterSettings = {
    rank,
    alpha,
    dropout: args.lora_dropout,
    useRslora,
    useDora,
    start: args.pissa_init ? pissaName(args.pissa_iter) : null,
    // One iteration leaves the base as 4 bits alone make it, so that the adapter is like any other.
    ...(args.loftq_init && args.loftq_iter > 1 ? { loftqIterations: args.loftq_iter } : {}),
    modulesToSave: args.additional_target,
    targetModules: [...new Set(loraModules.map((m) => m.slice(m.lastIndexOf('.') + 1)))].sort(),
    baseModel: args.model_name_or_path,
  };
  const scale = loraScale({ alpha, useRslora }, { rank });
  const lora: LoraOptions = {
    rank,
    scale,
    dropout: dropoutOf(args),
    dora: useDora,
    changesBase: args.pissa_init || args.loftq_init,
    modules,
  };
  return { settings, lora };
}

/** As PEFT names it in init_lora_weights. */
const pissaName = (iterations: number) => (iterations < 0 ? 'pissa' : `pissa_niter_${iterations}`);

/** Answers are compared with a reference without noise: as in LLaMA-Factory, dropout is off in these stages. */
function dropoutOf({ stage, lora_dropout }: TrainArgs): number {
  return ['dpo', 'kto', 'ppo', 'grpo'].includes(stage) ? 0 : lora_dropout;
}

/** The adapter goes on with its own rank, alpha and targets; the arguments' are for new ones. */
function continueAdapter(given: LoraAdapter, args: TrainArgs, use: 'train' | 'infer') {
  const ranks = new Set(given.pairs.map((p) => p.rank));
  if (ranks.size > 1)
    throw new FactoryError({
      code: 'ADAPTERS_UNSUPPORTED',
      message: `the adapter has pairs of ranks ${[...ranks].join(', ')}, expected one rank`,
      remedy: 'Merge the adapter with create_new_adapter, or train one with a single rank.',
    });
  const modules = new Map(
    given.pairs.map(({ module, a, b, magnitude }): [string, InitialPair] => [module, { a, b, magnitude }]),
  );
  const dropout = use === 'train' ? args.lora_dropout : 0;
  const { pairs, whole: _, ...settings } = given;
  const scale = loraScale(given, pairs[0]);
  const active = use === 'train' ? dropoutOf(args) : 0;
  const lora: LoraOptions = {
    rank: pairs[0].rank,
    scale,
    dropout: active,
    dora: given.useDora,
    changesBase: Boolean(given.start || given.loftqIterations),
    modules,
  };
  return { lora, settings: { ...settings, dropout, baseModel: args.model_name_or_path } };
}

/**
 * What the adapters make of the base, tensor by tensor: merged, replaced, or with its principal part taken out.
 * `initial` gets the pairs that PiSSA began with.
 */
export function baseEditor(
  { merged, continued, settings, lora }: OpenedAdapters,
  product: MatrixProduct,
  initial: Map<string, InitialPair>,
) {
  /** Takes the principal part of a module's weight out of it. */
  const takeOut = (weight: Float32Array, { outFeatures, inFeatures, rank }: LoraSizes, scale: number) =>
    takePrincipalPair(weight, [outFeatures, inFeatures], { rank, scale }, product);
  return async (name: string, values: Float32Array): Promise<boolean> => {
    let changed = false;
    for (const adapter of [...merged, ...(continued ? [continued] : [])]) {
      const pair = adapter.pairs.find((p) => `${p.module}.weight` === name);
      const scale = pair ? loraScale(adapter, pair) : 0;
      if (pair && adapter.start) await takeOut(values, pair, scale);
      if (pair && adapter !== continued) values.set(mergeIntoWeights(name, values, pair, scale));
      if (pair && (adapter.start || adapter !== continued)) changed = true;
      const tensor = adapter.whole?.find((one) => one.name === name);
      if (!tensor) continue;
      values.set(tensor.data);
      changed = true;
    }
    const module = name.replace(/\.weight$/, '');
    const fresh = continued || !settings?.start ? undefined : lora?.modules.get(module);
    if (!lora || !fresh) return changed;
    const inFeatures = fresh.a.length / lora.rank;
    const sizes = { inFeatures, outFeatures: values.length / inFeatures, rank: lora.rank };
    const { a, b } = await takeOut(values, sizes, lora.scale);
    fresh.a.set(a);
    fresh.b.set(b);
    initial.set(module, { a, b });
    return true;
  };
}

type LoraSizes = Pick<LoraPair, 'inFeatures' | 'outFeatures' | 'rank'>;

/** How LoftQ quantises the base: for an adapter that begins, whose pairs it sets, or for one that was begun so. */
export function loftqQuantiser(
  { continued, lora }: OpenedAdapters,
  args: TrainArgs,
  product: MatrixProduct,
): QuantiseWithAdapter | undefined {
  const iterations = continued ? continued.loftqIterations : args.loftq_init ? args.loftq_iter : undefined;
  if (!lora || !iterations) return undefined;
  const { rank, scale } = lora;
  return async (name, values, shape, plain) => {
    const pair = lora.modules.get(name.replace(/\.weight$/, ''));
    if (!pair) return null;
    // The codes of the first iteration do not depend on the pair.
    if (continued && iterations === 1) return null;
    const { matrix, a, b } = await loftqPair(values, shape, { rank, scale, iterations }, plain, product);
    if (!continued) {
      pair.a.set(a);
      pair.b.set(b);
    }
    return matrix;
  };
}
