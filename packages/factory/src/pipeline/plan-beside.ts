// In: the arguments, the model's config and the lengths of prompts. Out: what a run has beside its steps: reward models,
// references with weights of their own, and the passes that read sequences and write answers. Only configs are read.
import type { Backend } from '@tunesmith/engine';
import { readingFacts, writingFacts } from '#factory/model/pass-facts.ts';
import { weightFacts } from '#factory/model/step-facts.ts';
import type { BatchSize, BesideFacts, PassFacts } from '#factory/records/memory-facts.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { CHUNK_TOKENS } from '#factory/train/policy-task.ts';
import { CACHE_TOKENS } from '#factory/train/write-answers.ts';
import type { BaseDeps } from './open-base.ts';
import { planModel } from './plan-model.ts';
import { trainingChoice } from './plan-run.ts';
import { needsReference } from './train-rows.ts';

/** A model of its own beside the one that is trained. */
interface OtherModel {
  role: 'reward' | 'reference';
  config: ModelConfig;
  /** The arguments that it is opened with. */
  args: TrainArgs;
}

interface Lengths {
  /** Of the longest row (of prompts, where the stage writes the answers). */
  width: number;
  /** Sequences in all; null where there is no data to count. */
  count: number | null;
}

const isPolicy = ({ stage }: TrainArgs) => stage === 'ppo' || stage === 'grpo';
const readsReference = (args: TrainArgs) =>
  needsReference(args) || args.stage === 'ppo' || (args.stage === 'grpo' && args.grpo_beta > 0);

/** Configs of the models that the arguments name beside the base, by their names. */
export async function otherConfigs(
  args: TrainArgs,
  deps: BaseDeps,
): Promise<ReadonlyMap<string, ModelConfig>> {
  const names = [
    ...(readsReference(args) && args.ref_model !== null ? [args.ref_model] : []),
    ...(isPolicy(args) && args.reward_model !== null && args.reward_model_type === 'full'
      ? [args.reward_model]
      : []),
  ];
  const configs = new Map<string, ModelConfig>();
  for (const name of names) {
    const own = { ...args, model_name_or_path: name, model_revision: 'main' };
    configs.set(name, (await planModel({ args: own, parameters: null, vocabSize: 0 }, deps)).config);
  }
  return configs;
}

/** The models that the run will open beside its own. */
function otherModels(
  args: TrainArgs,
  config: ModelConfig,
  configs: ReadonlyMap<string, ModelConfig>,
): OtherModel[] {
  const others: OtherModel[] = [];
  const add = (role: OtherModel['role'], path: string, change: Partial<TrainArgs>) =>
    others.push({
      role,
      config: configs.get(path) ?? config,
      args: { ...args, ...change, finetuning_type: 'lora', model_name_or_path: path },
    });
  const { reward_model: reward, reward_model_type: type, ref_model: reference } = args;
  if (isPolicy(args) && reward !== null && type !== 'api')
    add('reward', type === 'lora' ? args.model_name_or_path : reward, {
      quantization_bit: args.reward_model_quantization_bit,
      adapter_name_or_path: type === 'lora' ? [reward] : args.reward_model_adapters,
    });
  const copies = isPolicy(args) && (args.finetuning_type !== 'lora' || args.additional_target.length > 0);
  if (readsReference(args) && (reference !== null || copies))
    add('reference', reference ?? args.model_name_or_path, {
      quantization_bit: args.ref_model_quantization_bit,
      adapter_name_or_path: args.ref_model_adapters,
    });
  return others;
}

/** Null where a run has nothing but its steps. */
export function besideFacts(
  args: TrainArgs,
  config: ModelConfig,
  configs: ReadonlyMap<string, ModelConfig>,
  { width, count }: Lengths,
  backend: Backend,
): BesideFacts | null {
  if (!isPolicy(args) && !readsReference(args)) return null;
  const others = otherModels(args, config, configs);
  const choice = trainingChoice(args, config, backend);
  const choiceOf = (other: OtherModel) => {
    const { loraModules, ...own } = trainingChoice(other.args, other.config, backend);
    return { ...own, loraModules: other.args.adapter_name_or_path.length > 0 ? loraModules : [] };
  };
  const full = isPolicy(args) ? Math.min(width + args.max_new_tokens, config.maxPositions) : width;
  const answers =
    args.per_device_train_batch_size *
    args.gradient_accumulation_steps *
    (args.stage === 'ppo' ? args.ppo_buffer_size : 1);
  const read = chunk(
    full,
    isPolicy(args) ? answers : count,
    CHUNK_TOKENS,
    full - (isPolicy(args) ? width : 1),
  );
  const reading: PassFacts[] = [];
  const reference = others.find(({ role }) => role === 'reference');
  const adapters: ('on' | 'off')[] = [];
  if (args.stage === 'ppo' || (args.stage === 'grpo' && args.num_iterations > 1)) adapters.push('on');
  if (readsReference(args) && !reference) adapters.push('off');
  if (adapters.length > 0) reading.push(readingFacts(config, choice, read, { adapters, scores: false }));
  for (const other of others)
    reading.push(
      readingFacts(other.config, choiceOf(other), read, {
        adapters: ['on'],
        scores: other.role === 'reward',
      }),
    );
  let [restBytes, loadingBytes] = [0, 0];
  for (const other of others) {
    const weights = weightFacts(other.config, choiceOf(other));
    const rest = weights.restBytes + weights.unpackBytes + 4 * weights.adapterParameters;
    restBytes += rest;
    loadingBytes = Math.max(loadingBytes, weights.loadingBytes - rest);
  }
  return {
    restBytes,
    loadingBytes,
    isFirst: !isPolicy(args),
    reading,
    writing: isPolicy(args) ? writing() : null,
  };

  function writing(): PassFacts {
    const evaluates = args.val_size > 0 || args.eval_dataset.length > 0;
    const asked = Math.max(answers, evaluates ? args.per_device_eval_batch_size : 0);
    const { rows } = chunk(full, asked, CACHE_TOKENS, 0);
    return writingFacts(config, choice, { rows, prompt: width, fresh: full - width });
  }
}

/** As many rows of this width as run together. */
function chunk(width: number, count: number | null, tokens: number, labels: number): BatchSize {
  const rows = Math.max(1, Math.min(count ?? Number.POSITIVE_INFINITY, Math.floor(tokens / width)));
  return { rows, width, tokens: rows * width, labels: rows * labels };
}
