// In: a reward model and the evaluation pairs. Out: generated_predictions.jsonl with the scores of each pair, as
// LLaMA-Factory writes it (two decimals), and predict_results.json.
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { writeResults } from '#factory/store/results.ts';
import { readScores } from '#factory/train/log-probs.ts';
import { PREDICTIONS_FILE } from './evaluate-run.ts';
import type { PreparedRows } from './prepare-rows.ts';

export async function scoreRun(
  args: TrainArgs,
  decoder: Decoder,
  { evaluation }: PreparedRows,
  deps: { onEvent(event: TrainEvent): void; signal: AbortSignal },
): Promise<Record<string, number>> {
  const sequences = evaluation.flatMap(({ dataset }) => dataset.examples);
  if (sequences.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'do_predict is set, but there are no evaluation pairs to score',
      remedy: 'Set eval_dataset, or val_size to hold rows out.',
    });
  const begun = performance.now();
  const scores: number[] = [];
  const size = 2 * args.per_device_eval_batch_size;
  for (let at = 0; at < sequences.length; at += size) {
    deps.signal.throwIfAborted();
    scores.push(...(await readScores(decoder, sequences.slice(at, at + size))));
    deps.onEvent({ kind: 'evaluate', step: 0, done: scores.length / 2, total: sequences.length / 2 });
  }
  const rows = scores.length / 2;
  let [lines, right] = ['', 0];
  for (let row = 0; row < rows; row++) {
    const [chosen, rejected] = [scores[2 * row], scores[2 * row + 1]];
    if (chosen > rejected) right++;
    lines += `${JSON.stringify({ chosen: Number(chosen.toFixed(2)), rejected: Number(rejected.toFixed(2)) })}\n`;
  }
  await writeAtomic(join(args.output_dir, PREDICTIONS_FILE), lines);
  const seconds = Math.max((performance.now() - begun) / 1000, 1e-9);
  const metrics = {
    predict_accuracy: right / rows,
    predict_runtime: seconds,
    predict_samples_per_second: rows / seconds,
  };
  await writeResults(args.output_dir, 'predict', metrics);
  return metrics;
}
