// In: encoded pairs or rated answers and the arguments. Out: each sequence's log-probability under the reference model,
// computed once before the first step and kept with the run, so that a run that goes on has the same numbers.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { EncodedDataset } from '#factory/records/encoded.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { resultHash } from '#factory/store/resolved-config.ts';
import { decodeTensors, encodeTensors, type StateTensor } from '#factory/store/tensor-file.ts';
import { chunksOf, readLogProbs } from '#factory/train/log-probs.ts';
import { sumOf } from '#factory/train/objective.ts';
import { openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';

const REFERENCE_FILE = 'reference_logps.safetensors';
/** Ids of one forward pass, about. Which sequences run together follows from the data alone, so that so do all bits. */
const CHUNK_TOKENS = 2048;
/** Chunks between two writes of the file: what a killed run has to compute again. */
const SAVE_EVERY = 64;

export interface ReferenceDeps {
  env: Readonly<Record<string, string | undefined>>;
  note(text: string): void;
  signal: AbortSignal;
}

/** Opens `ref_model`, or takes the decoder as it is before training. */
export async function openReference(args: TrainArgs, decoder: Decoder, { env, note }: ReferenceDeps) {
  if (args.ref_model === null) return { decoder, close: async () => {} };
  const own: TrainArgs = {
    ...args,
    model_name_or_path: args.ref_model,
    model_revision: 'main',
    adapter_name_or_path: args.ref_model_adapters,
    quantization_bit: args.ref_model_quantization_bit,
    train_from_scratch: args.train_from_scratch && args.ref_model === args.model_name_or_path,
  };
  const base = await openBase(own, 'infer', { env, note });
  if (base.config.vocabSize !== decoder.config.vocabSize) {
    await base.weights.close();
    throw otherVocabulary(args, base.config.vocabSize, decoder);
  }
  const opened = await openDecoder(own, base, 'infer', note);
  const close = async () => {
    await opened.decoder.backend.dispose();
    await base.weights.close();
  };
  return { decoder: opened.decoder, close };
}

/** Log-probabilities in nats of all sequences of each data set; from the run's file where it fits. */
export async function referenceLogProbs(
  args: TrainArgs,
  datasets: readonly EncodedDataset[],
  decoder: Decoder,
  deps: ReferenceDeps,
): Promise<Map<EncodedDataset, Float32Array>> {
  const path = join(args.output_dir, REFERENCE_FILE);
  const key = createHash('sha256')
    .update(JSON.stringify([resultHash(args), ...datasets.map(({ fingerprint }) => fingerprint)]))
    .digest('hex');
  const sequences = datasets.flatMap(({ examples }) => examples);
  const values =
    (await readValues(path, key, sequences.length)) ?? new Float32Array(sequences.length).fill(Number.NaN);
  const missing = chunksOf(sequences, CHUNK_TOKENS).filter(([from, to]) =>
    values.subarray(from, to).some((value) => Number.isNaN(value)),
  );
  if (missing.length > 0) {
    const name = args.ref_model ?? 'the model before training';
    deps.note(`log-probabilities of ${sequences.length} sequences under the reference (${name}), once`);
    const reference = await openReference(args, decoder, deps);
    // The adapters of `ref_model` are part of it.
    const adapter = args.ref_model === null ? 'off' : 'on';
    try {
      for (const [i, [from, to]] of missing.entries()) {
        deps.signal.throwIfAborted();
        const read = await readLogProbs(reference.decoder, sequences.slice(from, to), adapter);
        for (const [j, logProbs] of read.entries()) values[from + j] = sumOf(logProbs);
        if ((i + 1) % SAVE_EVERY === 0 || i === missing.length - 1) await writeValues(path, key, values);
      }
    } finally {
      // Its graphs are not those of training.
      await decoder.shrink();
      await reference.close();
    }
  }
  const byDataset = new Map<EncodedDataset, Float32Array>();
  let at = 0;
  for (const dataset of datasets) {
    byDataset.set(dataset, values.subarray(at, at + dataset.examples.length));
    at += dataset.examples.length;
  }
  return byDataset;
}

async function writeValues(path: string, key: string, values: Float32Array): Promise<void> {
  const tensors = new Map<string, StateTensor>([
    ['logps', { dtype: 'F32', shape: [values.length], data: values }],
  ]);
  await writeAtomic(path, encodeTensors(tensors, { key }));
}

/** Null where there is no such file, or where it is of other rows, another reference, or damaged: then they are computed. */
async function readValues(path: string, key: string, length: number): Promise<Float32Array | null> {
  try {
    const { tensors, metadata } = decodeTensors(await readFile(path), path);
    const values = tensors.get('logps')?.data;
    return metadata.key === key && values instanceof Float32Array && values.length === length ? values : null;
  } catch {
    return null;
  }
}

function otherVocabulary(args: TrainArgs, found: number, { config }: Decoder): FactoryError {
  return new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `ref_model ${args.ref_model} has a vocabulary of ${found} tokens, expected ${config.vocabSize} as in ${args.model_name_or_path}`,
    remedy: 'Set ref_model to a model with the same tokenizer, or remove it.',
  });
}
