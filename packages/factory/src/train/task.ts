// In: nothing. Out: what the training loop asks of a task: the gradients of one step and the metrics of one evaluation set.
// `supervised` learns every label of its rows; objectives over whole rows are made by objective-step.ts.
import type { Decoder } from '#factory/model/decoder.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { type EvaluationOptions, evaluationMetrics } from './evaluate.ts';
import type { Memory } from './objective.ts';
import type { TokenLoss } from './token-losses.ts';
import { type StepOptions, type StepResult, trainStep } from './train-step.ts';

export interface TrainTask<Row> {
  /** Leaves the summed gradients in the decoder's parameters. */
  step(
    decoder: Decoder,
    microBatches: readonly (readonly Row[])[],
    options: StepOptions,
    memory: Memory,
  ): Promise<StepResult>;
  /** Metrics under Hugging Face's names: `eval_loss`, or `eval_<name>_loss` where sets have names. */
  evaluate(
    decoder: Decoder,
    set: { name: string; rows: readonly Row[] },
    options: EvaluationOptions & { clock(): number },
    memory: Memory,
  ): Promise<Record<string, number>>;
}

export const supervised: TrainTask<EncodedExample> = {
  step: (decoder, microBatches, options) => trainStep(decoder, microBatches, options),
  evaluate: evaluationMetrics,
};

/** As `supervised`, learning by another loss of a token; evaluation is cross-entropy all the same. */
export function supervisedBy(loss: TokenLoss): TrainTask<EncodedExample> {
  return {
    step: (decoder, microBatches, options) => trainStep(decoder, microBatches, options, loss),
    evaluate: evaluationMetrics,
  };
}
