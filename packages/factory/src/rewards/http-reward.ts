// In: the address of a reward server. Out: a reward that asks it. The request is LLaMA-Factory's, `{ model, messages }` with
// the whole texts, and has prompts, completions and answers of the data set beside; the reply is `{ scores }`.
import { setTimeout as wait } from 'node:timers/promises';
import type { RewardFailure, RewardRequest, RewardSource } from './reward.ts';

export interface HttpRewardOptions {
  name: string;
  weight: number;
  /** For one request with all answers. */
  timeoutSeconds: number;
  /** Further tries after a failure that may pass: no connection, no reply in time, status 429 or 5xx. */
  retries: number;
}

const FIRST_PAUSE_MS = 500;

export function httpReward(address: string, options: HttpRewardOptions): RewardSource {
  return {
    name: options.name,
    weight: options.weight,
    async score(requests) {
      if (requests.length === 0) return [];
      const body = JSON.stringify({
        model: 'model',
        messages: requests.map(({ text }) => text),
        prompts: requests.map(({ input }) => input.prompt),
        completions: requests.map(({ input }) => input.completion),
        answers: requests.map(({ input }) => input.row.answer),
      });
      for (let attempt = 0; ; attempt++) {
        const reply = await ask(address, body, options);
        if (!('why' in reply)) return scoresOf(reply.json, requests, address);
        if (!reply.mayPass || attempt >= options.retries)
          return requests.map(() => ({ why: `${address}: ${reply.why}` }));
        await wait(FIRST_PAUSE_MS * 2 ** attempt);
      }
    },
  };
}

type Reply = { json: unknown } | { why: string; mayPass: boolean };

async function ask(address: string, body: string, options: HttpRewardOptions): Promise<Reply> {
  const { timeoutSeconds } = options;
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    });
    const text = await response.text();
    if (!response.ok) {
      const mayPass = response.status === 429 || response.status >= 500;
      return { why: `status ${response.status}: ${text.slice(0, 200)}`, mayPass };
    }
    return { json: parsed(text) };
  } catch (error) {
    if ((error as Error).name === 'TimeoutError')
      return { why: `no reply in ${timeoutSeconds} s`, mayPass: true };
    const cause = (error as { cause?: { message?: string } }).cause?.message;
    return { why: cause ?? (error as Error).message, mayPass: true };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function scoresOf(
  json: unknown,
  requests: readonly RewardRequest[],
  address: string,
): (number | RewardFailure)[] {
  const scores = (json as { scores?: unknown } | null | undefined)?.scores;
  if (!Array.isArray(scores) || scores.length !== requests.length) {
    const found = Array.isArray(scores) ? `${scores.length} of them` : 'none';
    return requests.map(() => ({
      why: `${address}: expected {"scores": [...]} with ${requests.length} numbers, found ${found}`,
    }));
  }
  return scores.map((score: unknown) =>
    typeof score === 'number'
      ? score
      : { why: `${address}: expected a number, got ${JSON.stringify(score)?.slice(0, 80)}` },
  );
}
