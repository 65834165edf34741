// In: answers, and rewards that may fail. Out: what each answer is worth: the weighted sum of its rewards, or nothing where
// one of them failed, with the reason. Loading functions, asking servers and running models are not here.
import type { Message, RowSource } from '#factory/records/message.ts';

/** What a reward function is given. */
export interface RewardInput {
  /** The last message of the user. */
  prompt: string;
  /** What the model answered, without special tokens. */
  completion: string;
  row: RewardRow;
}

/** The row of the data set that the prompt is from. */
export interface RewardRow {
  /** The conversation up to the answer. */
  messages: readonly Message[];
  /** The answer that the data set has, or an empty text. */
  answer: string;
  system: string;
  tools: string;
  source: RowSource;
}

/** Written by users, in a TypeScript file. */
export type RewardFunction = (input: RewardInput) => number | Promise<number>;

/** An answer as rewards need it: for functions, for servers (with special tokens) and for models. */
export interface RewardRequest {
  input: RewardInput;
  text: string;
  ids: Int32Array;
}

export interface RewardSource {
  name: string;
  weight: number;
  /** A number per request, or why there is none. */
  score(requests: readonly RewardRequest[]): Promise<(number | RewardFailure)[]>;
}

export interface RewardFailure {
  why: string;
}

export interface RewardedRequest {
  total: number | null;
  parts: Record<string, number>;
  failures: { name: string; why: string }[];
}

export async function rewardAll(
  sources: readonly RewardSource[],
  requests: readonly RewardRequest[],
): Promise<RewardedRequest[]> {
  const rewarded = requests.map((): RewardedRequest => ({ total: 0, parts: {}, failures: [] }));
  for (const { name, weight, score } of sources) {
    const scores = await score(requests);
    for (const [i, one] of rewarded.entries()) {
      const value = scores[i];
      if (typeof value === 'number' && Number.isFinite(value)) {
        one.parts[name] = value;
        if (one.total !== null) one.total += weight * value;
        continue;
      }
      one.total = null;
      one.failures.push({
        name,
        why: typeof value === 'object' ? value.why : `expected a finite number, got ${value}`,
      });
    }
  }
  return rewarded;
}
