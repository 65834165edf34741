// In: the arguments. Out: the rewards of the run, ready to be asked: functions of TypeScript files, servers, and a reward
// model of stage rm, which is a decoder of its own.
import { FactoryError, invariant } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { fileReward } from '#factory/rewards/file-reward.ts';
import { httpReward } from '#factory/rewards/http-reward.ts';
import type { RewardSource } from '#factory/rewards/reward.ts';
import { readScores, valueHeadOf } from '#factory/train/log-probs.ts';
import { inChunks } from '#factory/train/policy-task.ts';
import { openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';
import type { ReferenceDeps } from './reference.ts';

export interface RewardDeps extends ReferenceDeps {
  /** Loads a file of the user's; whoever has none cannot have reward functions. */
  importModule?(path: string): Promise<unknown>;
}

export interface OpenedRewards {
  sources: RewardSource[];
  close(): Promise<void>;
}

export async function openRewards(
  args: TrainArgs,
  tokenizer: TextTokenizer,
  deps: RewardDeps,
): Promise<OpenedRewards> {
  const { reward_functions: specs, reward_model: model } = args;
  const weightOf = (i: number) => args.reward_weights?.[i] ?? 1;
  const common = { timeoutSeconds: args.reward_timeout, retries: args.reward_retries };
  const sources: RewardSource[] = [];
  const importModule = (path: string): Promise<unknown> => {
    invariant(deps.importModule, 'reward functions need a way to load files');
    return deps.importModule(path);
  };
  for (const [i, spec] of specs.entries()) {
    const weight = weightOf(i);
    sources.push(
      /^https?:\/\//.test(spec)
        ? httpReward(spec, { ...common, weight, name: new URL(spec).host })
        : await fileReward(spec, { ...common, weight, importModule }),
    );
  }
  let close = async () => {};
  if (model !== null && args.reward_model_type === 'api')
    sources.push(httpReward(model, { ...common, weight: weightOf(specs.length), name: 'reward_model' }));
  else if (model !== null) {
    const opened = await openRewardModel(args, model, tokenizer, deps);
    sources.push({ ...opened.source, weight: weightOf(specs.length) });
    close = opened.close;
  }
  return { sources: named(sources), close };
}

/** Two rewards of one name are told apart by number. */
function named(sources: readonly RewardSource[]): RewardSource[] {
  const seen = new Map<string, number>();
  return sources.map((source) => {
    const count = (seen.get(source.name) ?? 0) + 1;
    seen.set(source.name, count);
    return count === 1 ? source : { ...source, name: `${source.name}_${count}` };
  });
}

async function openRewardModel(
  args: TrainArgs,
  path: string,
  tokenizer: TextTokenizer,
  { env, note }: ReferenceDeps,
) {
  const isAdapter = args.reward_model_type === 'lora';
  const own: TrainArgs = {
    ...args,
    stage: 'rm',
    model_name_or_path: isAdapter ? args.model_name_or_path : path,
    model_revision: isAdapter ? args.model_revision : 'main',
    adapter_name_or_path: isAdapter ? [path] : args.reward_model_adapters,
    create_new_adapter: false,
    quantization_bit: args.reward_model_quantization_bit,
    train_from_scratch: false,
  };
  const base = await openBase(own, 'infer', { env, note });
  if (base.tokenizer.fingerprint !== tokenizer.fingerprint) {
    await base.weights.close();
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `reward_model ${path} has another tokenizer than ${args.model_name_or_path}, so it cannot read the answers as ids`,
      remedy: 'Train a reward model on the same base by stage rm, or serve this one behind an http address.',
    });
  }
  const { decoder } = await openDecoder(own, base, 'infer', note);
  const close = async () => {
    await decoder.backend.dispose();
    await base.weights.close();
  };
  try {
    valueHeadOf(decoder);
  } catch (error) {
    await close();
    throw error;
  }
  const source: Omit<RewardSource, 'weight'> = {
    name: 'reward_model',
    async score(requests) {
      const rows = requests.map(({ ids }) => ({ inputIds: ids, labels: ids }));
      const scores = await inChunks(rows, async (part) => [...(await readScores(decoder, part))]);
      // Its scratch would stand beside that of training.
      await decoder.shrink();
      return scores;
    },
  };
  return { source, close };
}
