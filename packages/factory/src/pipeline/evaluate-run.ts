// In: a decoder and the evaluation rows. Out: eval_results.json, with do_predict generated_predictions.jsonl and
// predict_results.json, and the metrics of generated answers at evaluations. The metrics themselves are eval/metrics.
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { writeResults } from '#factory/store/results.ts';
import { answerMetrics, type GenerateDeps, generateAnswers } from './generated-answers.ts';
import type { PreparedRows } from './prepare-rows.ts';
import type { PreparedTask } from './prepare-task.ts';

export const PREDICTIONS_FILE = 'generated_predictions.jsonl';

export async function evaluateRun(
  args: TrainArgs,
  decoder: Decoder,
  { task, evaluation }: PreparedTask,
  measure: () => Promise<Record<string, number>>,
  { onEvent, signal }: { onEvent(event: TrainEvent): void; signal: AbortSignal },
): Promise<Record<string, number>> {
  const metrics: Record<string, number> = {};
  for (const { name, rows } of evaluation) {
    const options = {
      batchSize: args.per_device_eval_batch_size,
      wantAccuracy: args.compute_accuracy,
      signal,
      clock: () => performance.now(),
      onProgress: (done: number, total: number) => onEvent({ kind: 'evaluate', step: 0, done, total }),
    };
    const values = await task.evaluate(decoder, { name, rows }, options, {});
    Object.assign(metrics, values);
    const loss = values[name ? `eval_${name}_loss` : 'eval_loss'];
    if (args.stage === 'pt') metrics[name ? `perplexity_${name}` : 'perplexity'] = Math.exp(loss);
  }
  Object.assign(metrics, await measure());
  await writeResults(args.output_dir, 'eval', metrics);
  return metrics;
}

/** With `predict_with_generate`: metrics of generated answers to the evaluation rows, under Hugging Face's names. */
export async function measureAnswers(
  args: TrainArgs,
  { evaluation }: PreparedRows,
  generator: Generator | null,
  step: number,
  { onEvent, signal }: { onEvent(event: TrainEvent): void; signal: AbortSignal },
): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  if (!args.predict_with_generate || !generator) return values;
  for (const { name, examples } of evaluation) {
    const answers = await generateAnswers(args, examples, {
      ...generator,
      // The same at every evaluation, so that they can be compared.
      stream: 'evaluate',
      signal,
      onProgress: (done, total) => onEvent({ kind: 'evaluate', step, done, total }),
    });
    const prefix = name ? `eval_${name}_` : 'eval_';
    for (const [metric, value] of Object.entries(await answerMetrics(args, answers)))
      values[prefix + metric] = value;
  }
  return values;
}

type Generator = Pick<GenerateDeps, 'decoder' | 'base' | 'template'>;

/** Answers every evaluation row. `do_sample` and the other generating arguments apply. */
export async function predictRun(
  args: TrainArgs,
  rows: PreparedRows,
  generator: Generator | null,
  deps: { onEvent(event: TrainEvent): void; signal: AbortSignal },
): Promise<Record<string, number>> {
  if (!generator || rows.evaluation.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'do_predict is set, but there is no evaluation data for stage sft',
      remedy: 'Set eval_dataset, or val_size to hold rows out.',
    });
  const examples = rows.evaluation.flatMap((e) => e.examples);
  const begun = performance.now();
  const answers = await generateAnswers(args, examples, {
    ...generator,
    stream: 'predict',
    signal: deps.signal,
    onProgress: (done, total) => deps.onEvent({ kind: 'evaluate', step: 0, done, total }),
  });
  await writeAtomic(
    join(args.output_dir, PREDICTIONS_FILE),
    answers.map((answer) => `${JSON.stringify(answer)}\n`).join(''),
  );
  const seconds = Math.max((performance.now() - begun) / 1000, 1e-9);
  const scores = Object.entries(await answerMetrics(args, answers));
  const metrics = {
    ...Object.fromEntries(scores.map(([name, value]) => [`predict_${name}`, value])),
    predict_runtime: seconds,
    predict_samples_per_second: answers.length / seconds,
    predict_steps_per_second: Math.ceil(answers.length / args.per_device_eval_batch_size) / seconds,
  };
  await writeResults(args.output_dir, 'predict', metrics);
  return metrics;
}
