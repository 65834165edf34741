// In: nothing. Out: what is kept of an answer that the model wrote itself, so that steps can learn from it. Plain numbers,
// because a run that goes on finds them in its checkpoint.
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';

export interface Experience {
  prompt: number[];
  /** New ids, with the one that ended the answer. */
  completion: number[];
  /** Log-probabilities in nats when it was written; null where the only step that learns from it comes at once. */
  old: number[] | null;
  /** Under the reference; null where there is none. */
  reference: number[] | null;
  /** Of each token, or one for all of them. */
  advantages: number[];
  /** The value head's numbers when it was written, and what they should have been (PPO). */
  values: number[] | null;
  returns: number[] | null;
  /** Nothing is to be learned from it: it did not come to an end. */
  isMasked: boolean;
}

/** Prompt and answer as one sequence, with the answer as its labels. */
export function sequenceOf({
  prompt,
  completion,
}: Pick<Experience, 'prompt' | 'completion'>): EncodedExample {
  const labels = new Int32Array(prompt.length + completion.length).fill(IGNORE_INDEX);
  labels.set(completion, prompt.length);
  return { inputIds: Int32Array.from([...prompt, ...completion]), labels };
}
