// In: data files and a model. Out: the same rows in a JSON Lines file, with how much each prompt helps its answer (IFD, Li et al.
// 2023, "From Quantity to Quality"): the mean negative log-likelihood of the answer given the prompt, over that of the answer
// alone. Near 1 or above, the prompt does not help; low values are what the model knows anyway. Nothing is dropped here.
import { dataFile } from '#factory/data/find-files.ts';
import { loadDatasets } from '#factory/data/load-datasets.ts';
import { readRows } from '#factory/data/read-rows.ts';
import { invariant } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { encodeRows } from '#factory/tokens/encode.ts';
import { templateOf } from './choose-template.ts';
import { openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';
import { encodeOptions, withoutDropped } from './prepare-rows.ts';

export interface IfdDeps {
  env: Readonly<Record<string, string | undefined>>;
  note(text: string): void;
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

export interface IfdResult {
  output: string;
  rows: number;
  scored: number;
  /** Rows whose prompt does not help: a loss ratio of 1 or more. */
  unhelped: number;
  /** Quartiles of the loss ratio. */
  quartiles: [number, number, number] | null;
}

/** Mean negative log-likelihoods in nats. */
export interface IfdScores {
  ifd_loss_ratio: number | null;
  /** The ratio of perplexities, which Superfiltering calls IFD: another number. */
  ifd_ppl_ratio: number | null;
  nll_given_prompt: number | null;
  nll_alone: number | null;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of the answer's tokens: given the prompt, and alone. Null where either has no token. */
export function ifdOf(given: readonly number[], alone: readonly number[]): IfdScores {
  if (given.length === 0 || alone.length === 0)
    return { ifd_loss_ratio: null, ifd_ppl_ratio: null, nll_given_prompt: null, nll_alone: null };
  const [withPrompt, without] = [mean(given), mean(alone)];
  return {
    ifd_loss_ratio: without > 0 ? withPrompt / without : null,
    ifd_ppl_ratio: Math.exp(withPrompt - without),
    nll_given_prompt: withPrompt,
    nll_alone: without,
  };
}

export async function scoreIfd(args: TrainArgs, output: string, deps: IfdDeps): Promise<IfdResult> {
  const data = await loadDatasets({ ...args, eval_dataset: [], val_size: 0, seed: args.seed });
  const base = await openBase(args, 'infer', deps);
  const template = templateOf(args, base);
  const { dataset, issues } = encodeRows(
    data.train,
    encodeOptions({ ...args, packing: false, neat_packing: false }, { tokenizer: base.tokenizer, template }),
  );
  const kept = withoutDropped(data.train, issues);
  invariant(kept.length === dataset.examples.length, 'as many examples as rows that were not dropped');
  const { decoder } = await openDecoder(args, base, 'infer', deps.note);
  const scores = new Map<string, IfdScores>();
  const { bosId } = base.tokenizer;
  try {
    for (const [i, example] of dataset.examples.entries()) {
      deps.signal.throwIfAborted();
      const answer = example.labels.filter((label) => label !== IGNORE_INDEX);
      const given = await nllOf(decoder, example);
      const alone = await nllOf(decoder, answerAlone(answer, bosId));
      const { file, row } = kept[i].source;
      scores.set(`${file}:${row}`, ifdOf(given, alone));
      deps.onProgress(i + 1, kept.length);
    }
  } finally {
    await decoder.backend.dispose();
    await base.weights.close();
  }
  const files = [...new Set(data.train.map(({ source }) => source.file))];
  let rows = 0;
  async function* lines(): AsyncGenerator<Uint8Array> {
    for (const path of files) {
      const file = dataFile(path);
      invariant(file, `${path} was read before`);
      for await (const raw of readRows(file)) {
        if ('problem' in raw) continue;
        rows++;
        const own = scores.get(`${path}:${raw.row}`) ?? ifdOf([], []);
        yield Buffer.from(`${JSON.stringify({ ...raw.columns, ...own })}\n`);
      }
    }
  }
  await writeAtomic(output, lines());
  const ratios = [...scores.values()]
    .flatMap(({ ifd_loss_ratio: ratio }) => (ratio === null ? [] : [ratio]))
    .sort((a, b) => a - b);
  const at = (share: number) => ratios[Math.floor(share * (ratios.length - 1))];
  return {
    output,
    rows,
    scored: ratios.length,
    unhelped: ratios.filter((ratio) => ratio >= 1).length,
    quartiles: ratios.length === 0 ? null : [at(0.25), at(0.5), at(0.75)],
  };
}

/** Every token of the answer is predicted where the model has a token that begins a text; else all but the first. */
function answerAlone(answer: Int32Array, bos: number | null): EncodedExample {
  if (bos === null || answer[0] === bos) return { inputIds: answer, labels: answer };
  return {
    inputIds: Int32Array.of(bos, ...answer),
    labels: Int32Array.of(IGNORE_INDEX, ...answer),
  };
}

async function nllOf(decoder: Decoder, example: EncodedExample): Promise<number[]> {
  if (example.inputIds.length < 2) return [];
  const batch = packBatch([example]);
  if (batch.targets.length === 0) return [];
  const { nll } = await decoder.head.evaluate(await decoder.forward(batch), batch.targets, false);
  return [...nll];
}
