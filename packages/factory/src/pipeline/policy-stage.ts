// In: the arguments, encoded prompts and the decoder. Out: the task of stages grpo and ppo, with rewards, reference and the
// record of answers connected to it.
import { invariant } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { Example } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type RewardedRequest, type RewardRequest, rewardAll } from '#factory/rewards/reward.ts';
import { appendCompletions } from '#factory/store/completions-log.ts';
import { readLogProbs } from '#factory/train/log-probs.ts';
import { type AnsweredRow, type PolicyPorts, policyTask } from '#factory/train/policy-task.ts';
import type { Sampling } from '#factory/train/write-answers.ts';
import { methodOf } from './policy-method.ts';
import { openReference } from './reference.ts';
import { openRewards, type RewardDeps } from './reward-sources.ts';

export interface PolicyDeps extends RewardDeps {
  tokenizer: TextTokenizer;
  stopIds: readonly number[];
}

/** Failed rewards that are told of one by one. */
const FAILURES_TOLD = 3;

/** `examples` are the rows that a PromptRow's `index` counts. */
export async function policyStage(
  args: TrainArgs,
  examples: readonly Example[],
  decoder: Decoder,
  deps: PolicyDeps,
) {
  const rewards = await openRewards(args, deps.tokenizer, deps);
  const temperature = args.stage === 'grpo' ? args.temperature : 1;
  const needsReference = args.do_train && (args.stage === 'ppo' || args.grpo_beta > 0);
  const reference = needsReference ? await liveReference(args, decoder, temperature, deps) : null;
  /** Of the answers that were rewarded last, for the record. */
  let last: RewardedRequest[] = [];
  const ports: PolicyPorts = {
    async reward(answers) {
      last = await rewardAll(
        rewards.sources,
        answers.map((answer) => requestOf(answer, examples[answer.row.index], deps.tokenizer)),
      );
      tellFailures(answers, last, examples, deps.note);
      return last;
    },
    reference: reference && ((own, sequences) => reference.read(own, sequences)),
    async record(step, answers) {
      const shown = answers.slice(0, args.logged_completions);
      const entries = shown.map((answer, i) => {
        const { prompt, source } = examples[answer.row.index];
        const { total, parts, failures } = last[i];
        return {
          step,
          file: source.file,
          row: source.row,
          prompt: prompt.at(-1)?.content ?? '',
          completion: deps.tokenizer.decode(answer.completion, { skipSpecialTokens: true }),
          reward: total,
          rewards: parts,
          ...(failures.length > 0 ? { failures } : {}),
        };
      });
      await appendCompletions(args.output_dir, entries);
    },
    signal: deps.signal,
  };
  const sampling: Sampling = {
    maxNewTokens: args.max_new_tokens,
    doSample: args.do_sample,
    temperature: args.temperature,
    topK: args.top_k,
    topP: args.top_p,
    repetitionPenalty: args.repetition_penalty,
    stopIds: deps.stopIds,
  };
  const close = async () => {
    await rewards.close();
    await reference?.close();
  };
  return { task: policyTask(methodOf(args), sampling, ports, args.seed), close };
}

/** The model with its adapter off, `ref_model`, or, where the base itself is trained, a copy of the base. */
async function liveReference(args: TrainArgs, decoder: Decoder, temperature: number, deps: PolicyDeps) {
  const isOwn = args.ref_model === null && decoder.isAdapted;
  const given = args.adapter_name_or_path;
  const copy: TrainArgs = {
    ...args,
    ref_model: args.model_name_or_path,
    ref_model_adapters: args.create_new_adapter ? given : given.slice(0, -1),
  };
  if (!isOwn && args.ref_model === null)
    deps.note('the base is trained itself, so a copy of it stays in memory as the reference');
  const opened = isOwn ? null : await openReference(args.ref_model === null ? copy : args, decoder, deps);
  return {
    async read(own: Decoder, sequences: Parameters<typeof readLogProbs>[1]) {
      const from = opened?.decoder ?? own;
      const logProbs = await readLogProbs(from, sequences, opened ? 'on' : 'off', temperature);
      // Its scratch would stand beside that of training.
      await opened?.decoder.shrink();
      return logProbs;
    },
    close: async () => opened?.close(),
  };
}

function requestOf(
  { prompt: promptIds, completion }: AnsweredRow,
  { prompt, response, system, tools, source }: Example,
  tokenizer: TextTokenizer,
): RewardRequest {
  const ids = [...promptIds, ...completion];
  return {
    input: {
      prompt: prompt.at(-1)?.content ?? '',
      completion: tokenizer.decode(completion, { skipSpecialTokens: true }),
      row: { messages: prompt, answer: response[0]?.content ?? '', system, tools, source },
    },
    text: tokenizer.decode(ids),
    ids: Int32Array.from(ids),
  };
}

function tellFailures(
  answers: readonly AnsweredRow[],
  rewarded: readonly RewardedRequest[],
  examples: readonly Example[],
  note: (text: string) => void,
): void {
  const failed = rewarded.flatMap(({ failures }, i) => failures.slice(0, 1).map((one) => ({ ...one, i })));
  for (const { name, why, i } of failed.slice(0, FAILURES_TOLD)) {
    const example = examples[answers[i].row.index];
    invariant(example, 'every prompt is of a row');
    note(`reward ${name} failed on row ${example.source.row + 1} of ${example.source.file}: ${why}`);
  }
  if (failed.length > FAILURES_TOLD) note(`and on ${failed.length - FAILURES_TOLD} more answers of these`);
}
