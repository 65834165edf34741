// In: nothing. Out: what answers questions: a local model or an endpoint. The runner stores what it hands over, in any order.
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { StoredPrediction } from '#factory/records/evaluation.ts';

export interface Answerer {
  /**
   * Answers the questions that `isOpen` says are left. `take` gets rows as soon as they are answered. Work is planned over
   * all questions, so that a run that goes on computes what one that was not stopped would have.
   */
  answer(
    questions: readonly EvalQuestion[],
    isOpen: (question: number) => boolean,
    take: (rows: StoredPrediction[]) => void,
  ): Promise<void>;
  close(): Promise<void>;
}

/** All of a row that does not depend on the answer. */
export function unanswered(question: EvalQuestion): Omit<StoredPrediction, 'promptTokens' | 'newTokens'> {
  const { id, prompt, references, label, cluster, slices, source } = question;
  return {
    id,
    prompt,
    prediction: '',
    references,
    ...(label === undefined ? {} : { label }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(slices === undefined ? {} : { slices }),
    source,
  };
}
