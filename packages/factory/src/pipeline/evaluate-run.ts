// In: a decoder and the evaluation rows. Out: eval_results.json, and with do_predict generated_predictions.jsonl.
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { writeResults } from '#factory/store/results.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import type { Base } from './open-base.ts';
import type { PreparedRows } from './prepare-rows.ts';
import type { PreparedTask } from './prepare-task.ts';

export const PREDICTIONS_FILE = 'generated_predictions.jsonl';

export async function evaluateRun(
  args: TrainArgs,
  decoder: Decoder,
  { task, evaluation }: PreparedTask,
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
  await writeResults(args.output_dir, 'eval', metrics);
  return metrics;
}

/** Answers every evaluation row. `do_sample` and the other generating arguments apply. */
export async function predictRun(
  args: TrainArgs,
  decoder: Decoder,
  base: Base,
  template: ResolvedTemplate | null,
  rows: PreparedRows,
  deps: { onEvent(event: TrainEvent): void; signal: AbortSignal },
): Promise<Record<string, number>> {
  if (!template || rows.evaluation.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'do_predict is set, but there is no evaluation data for stage sft',
      remedy: 'Set eval_dataset, or val_size to hold rows out.',
    });
  const examples = rows.evaluation.flatMap((e) => e.examples);
  const random = seededRandom(`${args.seed}/predict`);
  const begun = performance.now();
  const lines: string[] = [];
  for (let at = 0; at < examples.length; at += args.per_device_eval_batch_size) {
    const batch = examples.slice(at, at + args.per_device_eval_batch_size);
    const encoded = batch.map((e) =>
      template.encodeOneTurn([...e.prompt, ...e.response.slice(0, 1)], e.system, e.tools),
    );
    const prompts = encoded.map(({ prompt }) => prompt.slice(-args.cutoff_len));
    const answers = await generateTokens(decoder, prompts, {
      maxNewTokens: args.max_new_tokens,
      doSample: args.do_sample,
      temperature: args.temperature,
      topK: args.top_k,
      topP: args.top_p,
      repetitionPenalty: args.repetition_penalty,
      stopIds: template.stopIds,
      random: () => random.next(),
      signal: deps.signal,
    });
    deps.signal.throwIfAborted();
    answers.forEach(({ ids }, i) => {
      const decode = (tokens: number[]) =>
        base.tokenizer.decode(tokens, { skipSpecialTokens: args.skip_special_tokens });
      const label = batch[i].response[0]?.content ?? '';
      lines.push(JSON.stringify({ prompt: base.tokenizer.decode(prompts[i]), predict: decode(ids), label }));
    });
    deps.onEvent({
      kind: 'evaluate',
      step: 0,
      done: Math.min(at + batch.length, examples.length),
      total: examples.length,
    });
  }
  await writeAtomic(join(args.output_dir, PREDICTIONS_FILE), lines.map((line) => `${line}\n`).join(''));
  const seconds = (performance.now() - begun) / 1000;
  const metrics = {
    predict_runtime: seconds,
    predict_samples_per_second: lines.length / Math.max(seconds, 1e-9),
  };
  await writeResults(args.output_dir, 'predict', metrics);
  return metrics;
}
