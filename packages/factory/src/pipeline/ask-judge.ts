// In: messages for a judge. Out: its answer, from the cache where the same was asked before, else from the endpoint. Counts
// what was asked and what it cost. Offline, only the cache answers.
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { FactoryError } from '#factory/errors.ts';
import { askEndpoint } from '#factory/eval/endpoint.ts';
import type { JudgeMessage } from '#factory/eval/judge/prompts.ts';
import type { EndpointArgs } from '#factory/records/eval-args.ts';
import type { JudgeReport } from '#factory/records/judgement.ts';
import type { AnswerCache } from '#factory/store/answer-cache.ts';

export interface JudgeEndpoint {
  args: EndpointArgs & { model: string };
  key: string | undefined;
  cache: AnswerCache;
  maxTokens: number;
  offline: boolean;
}

export interface AskedJudge {
  ask(messages: readonly JudgeMessage[]): Promise<string>;
  counts: Omit<JudgeReport['cost'], 'price'> & { paidPromptTokens: number; paidNewTokens: number };
}

export function judgeByEndpoint({ args, key, cache, maxTokens, offline }: JudgeEndpoint): AskedJudge {
  const counts = {
    requests: 0,
    cached: 0,
    promptTokens: 0,
    newTokens: 0,
    paidPromptTokens: 0,
    paidNewTokens: 0,
  };
  const signal = new AbortController().signal;
  return {
    counts,
    async ask(messages) {
      counts.requests++;
      const request = {
        messages: [...messages],
        text: null,
        maxTokens,
        temperature: 0,
        topP: 1,
        stop: [],
        seed: 0,
      };
      // Not the URL: the same model behind another address gives the same answers.
      const hash = createHash('sha256')
        .update(JSON.stringify([1, args.model, request]))
        .digest('hex');
      const known = cache.get(hash);
      if (known) counts.cached++;
      else if (offline)
        throw new FactoryError({
          code: 'EVAL_NOT_CACHED',
          message: `expected the answer of ${args.model} to request ${hash.slice(0, 12)} in the cache, found none`,
          remedy: 'Remove offline, or name the cache of a run with the same judge, rubric and rows.',
        });
      const answer =
        known ??
        (await askEndpoint(request, {
          args,
          key,
          clock: () => performance.now(),
          signal,
          fetch: globalThis.fetch,
          sleep: async (ms) => {
            await wait(ms);
          },
        }));
      if (!known) {
        const { text, promptTokens, newTokens } = answer;
        cache.add(hash, { text, promptTokens, newTokens });
        counts.paidPromptTokens += promptTokens;
        counts.paidNewTokens += newTokens;
      }
      counts.promptTokens += answer.promptTokens;
      counts.newTokens += answer.newTokens;
      return answer.text;
    },
  };
}
