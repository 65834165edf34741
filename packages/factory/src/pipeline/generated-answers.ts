// In: a decoder and rows with right answers. Out: generated answers, and their metrics as LLaMA-Factory names them (bleu-4,
// rouge-1, rouge-2, rouge-l) with those of `eval_metrics`. Files are written by whoever asks.

import { FactoryError } from '#factory/errors.ts';
import { findMetric } from '#factory/eval/metrics/registry.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import type { Example } from '#factory/records/message.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import { metricPorts } from './evaluate/metric-ports.ts';
import type { Base } from './open-base.ts';

export interface GeneratedAnswer {
  prompt: string;
  predict: string;
  label: string;
}

const LLAMAFACTORY = ['bleu-4', 'rouge-1', 'rouge-2', 'rouge-l'] as const;

export interface GenerateDeps {
  decoder: Decoder;
  base: Base;
  template: ResolvedTemplate;
  /** Name of the stream of random numbers, where answers are sampled. */
  stream: string;
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/** `do_sample` and the other generating arguments apply. */
export async function generateAnswers(
  args: TrainArgs,
  examples: readonly Example[],
  { decoder, base, template, stream, signal, onProgress }: GenerateDeps,
): Promise<GeneratedAnswer[]> {
  const random = seededRandom(`${args.seed}/${stream}`);
  const answers: GeneratedAnswer[] = [];
  for (let at = 0; at < examples.length; at += args.per_device_eval_batch_size) {
    const batch = examples.slice(at, at + args.per_device_eval_batch_size);
    const prompts = batch.map((e) =>
      template
        .encodeOneTurn([...e.prompt, ...e.response.slice(0, 1)], e.system, e.tools)
        .prompt.slice(-args.cutoff_len),
    );
    const generated = await generateTokens(decoder, prompts, {
      maxNewTokens: args.max_new_tokens,
      doSample: args.do_sample,
      temperature: args.temperature,
      topK: args.top_k,
      topP: args.top_p,
      repetitionPenalty: args.repetition_penalty,
      stopIds: template.stopIds,
      random: () => random.next(),
      signal,
    });
    signal.throwIfAborted();
    generated.forEach(({ ids }, i) => {
      answers.push({
        prompt: base.tokenizer.decode(prompts[i]),
        predict: base.tokenizer.decode(ids, { skipSpecialTokens: args.skip_special_tokens }),
        label: batch[i].response[0]?.content ?? '',
      });
    });
    onProgress(answers.length, examples.length);
  }
  return answers;
}

/** Name of each metric, without a prefix, → value. A value that is not defined on these rows is left out. */
export async function answerMetrics(
  { eval_metrics }: TrainArgs,
  answers: readonly GeneratedAnswer[],
): Promise<Record<string, number>> {
  const rows = answers.map(({ prompt, predict, label }, i) => ({
    id: `${i + 1}`,
    prompt,
    prediction: predict,
    references: [label],
  }));
  const labels = [...new Set(answers.map(({ label }) => label.trim()))].sort();
  const own = eval_metrics.filter((name) => !(LLAMAFACTORY as readonly string[]).includes(name));
  const wanted = [
    ...LLAMAFACTORY.map((name) => ({ key: name as string, metric: findMetric(`${name}@llamafactory`) })),
    ...own.map((name) => ({ key: name, metric: findMetric(name) })),
  ];
  const ports = await metricPorts(wanted.map(({ metric }) => metric.name));
  const all = rows.map((_, i) => i);
  const values: Record<string, number> = {};
  for (const { key, metric } of wanted) {
    const takesLabels = metric.options.safeParse({ labels: ['a'] }).success;
    const options = takesLabels ? { labels } : {};
    for (const { part, value } of metric.prepare(rows, options, ports)) {
      const found = value(all);
      if (Number.isFinite(found)) values[part === undefined ? key : `${key}[${part}]`] = found;
    }
  }
  return values;
}

/** Before anything is loaded: the names are known, and need no options. */
export function checkEvalMetrics({ eval_metrics }: TrainArgs): void {
  for (const name of eval_metrics) {
    if ((LLAMAFACTORY as readonly string[]).includes(name)) continue;
    const { options } = findMetric(name);
    if (options.safeParse({}).success || options.safeParse({ labels: ['a'] }).success) continue;
    throw new FactoryError({
      code: 'EVAL_BAD_OPTION',
      message: `eval_metrics: ${name} cannot be computed without options, which there are none of during training`,
      remedy: `Remove ${name} from eval_metrics, and compute it with "tunesmith eval" after training.`,
    });
  }
}
