// In: a base, adapters and a folder. Out: the merged model in that folder, as Hugging Face lays one out, with a manifest and a
// comparison of what it answers with what the adapters on the base answer. The folder is whole or not there.
import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { codedBits } from '#factory/model/bitsandbytes/stored-codes.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { formatConfig } from '#factory/model/format-config.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { writeShardedSafetensors } from '#factory/model/write-safetensors.ts';
import type { WeightTensor } from '#factory/records/model-config.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { type ExportManifest, fileSums, writeExportManifest } from '#factory/store/export-manifest.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import { mergeModel } from './merge-model.ts';
import { type Base, type BaseDeps, openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';
import { companionFiles, licenseOf, ownVersion } from './write-outputs.ts';

export interface ExportOptions {
  exportDir: string;
  /** Null keeps the types of the checkpoint. */
  dtype: WeightTensor['dtype'] | null;
  maxShardBytes: number;
  /** Compare answers before and after. */
  verify: boolean;
}

/** How the exported model answers beside the one that it was made from; logarithms are natural. */
export interface ExportParity {
  positions: number;
  /** Share of positions whose likeliest token is the same. */
  topTokenAgreement: number;
  /** Mean divergence of the next-token distributions, from the one before export. */
  meanKl: number;
  largestLogitDifference: number;
  /** Perplexity of the probe texts after over before. */
  perplexityRatio: number;
}

export interface ExportResult {
  exportDir: string;
  files: string[];
  bytes: number;
  changedTensors: number;
  parity: ExportParity | null;
}

const PARITY_FILE = 'export_parity.json';
const TORCH_NAME = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;
/** In float32 only the order of sums differs. */
const EXACT_KL = 1e-6;
const PROBES = [
  'The quarterly report lists revenue by region, and the table below shows how it changed since last year.',
  '客户反馈：订单号 20240117 的商品在运输途中损坏，希望尽快退款或者补发。',
  'def total(items):\n    return sum(item.price * item.count for item in items)\n',
  '{"intent": "refund", "priority": "high", "order": 48213}',
];

export async function exportModel(
  args: TrainArgs,
  { exportDir, dtype, maxShardBytes, verify }: ExportOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const base = await openBase(args, 'infer', deps);
  try {
    if (base.tokenizerFiles)
      throw new FactoryError({
        code: 'EXPORT_UNSUPPORTED',
        message: `${args.model_name_or_path}: adapters are merged into folders of safetensors, found a GGUF file`,
        remedy: 'Set model_name_or_path to the Hugging Face folder that the GGUF file was made from.',
      });
    if (codedBits(base.config))
      throw new FactoryError({
        code: 'EXPORT_UNSUPPORTED',
        message: `${args.model_name_or_path}: expected weights in full precision to merge into, found a checkpoint that bitsandbytes has quantised`,
        remedy: 'Set model_name_or_path to the checkpoint that is not quantised.',
      });
    const merged = await mergeModel(base, args.adapter_name_or_path, dtype);
    try {
      await requireSpace(dir, bytesOf(merged.weights.tensors.values()));
      const before = verify ? await probe(args, base, deps) : null;
      return await writeWholeFolder(
        dir,
        async (temporary) => {
          const files = await writeShardedSafetensors(temporary, merged.weights, { maxShardBytes });
          const companions = await companionFiles(base, { ...args, finetuning_type: 'full' });
          const config = formatConfig(configOf(merged.config.raw, merged.config.tieEmbeddings, dtype));
          for (const [name, content] of Object.entries({ ...companions, 'config.json': config }))
            await writeAtomic(join(temporary, name), content);
          await copyValueHead(args, base, temporary);
          const parity = before ? await compare(before, temporary, args, deps) : null;
          if (parity) {
            if (dtype === 'F32' && !(parity.meanKl <= EXACT_KL)) throw differs(parity);
            await writeAtomic(join(temporary, PARITY_FILE), `${JSON.stringify(parity, null, 2)}\n`);
          }
          const manifest = await writeExportManifest(temporary, {
            kind: 'merged',
            tunesmith: await ownVersion(),
            parents: await parentsOf(args, base),
            settings: { dtype: dtype ? TORCH_NAME[dtype] : 'as in the base', maxShardBytes },
          });
          const bytes = Object.values(manifest.files).reduce((n, file) => n + file.bytes, 0);
          return { exportDir: dir, files, bytes, changedTensors: merged.changed.size, parity };
        },
        'export_dir',
      );
    } finally {
      await merged.close();
    }
  } finally {
    await base.weights.close();
  }
}

function bytesOf(tensors: Iterable<{ dtype: WeightTensor['dtype']; shape: number[] }>): number {
  let bytes = 0;
  for (const { dtype, shape } of tensors)
    bytes += shape.reduce((n, size) => n * size, 1) * (dtype === 'F32' ? 4 : 2);
  return bytes;
}

function configOf(
  raw: Readonly<Record<string, unknown>>,
  tieEmbeddings: boolean,
  dtype: WeightTensor['dtype'] | null,
): Record<string, unknown> {
  const config: Record<string, unknown> = { ...raw };
  if (raw.tie_word_embeddings !== undefined || !tieEmbeddings) config.tie_word_embeddings = tieEmbeddings;
  // transformers 5 writes dtype, earlier ones torch_dtype.
  if (dtype) config['dtype' in raw ? 'dtype' : 'torch_dtype'] = TORCH_NAME[dtype];
  return config;
}

async function copyValueHead(args: TrainArgs, base: Base, to: string): Promise<void> {
  const name = 'value_head.safetensors';
  for (const from of [...args.adapter_name_or_path.toReversed(), base.dir]) {
    try {
      await copyFile(join(from, name), join(to, name));
      return;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

async function parentsOf(args: TrainArgs, base: Base): Promise<ExportManifest['parents']> {
  const isWeights = (name: string) => /\.safetensors$|^config\.json$/.test(name);
  const parents: ExportManifest['parents'] = [
    {
      role: 'base',
      name: args.model_name_or_path,
      license: await licenseOf(base.dir),
      files: await fileSums(base.dir, isWeights),
    },
  ];
  for (const dir of args.adapter_name_or_path)
    parents.push({
      role: 'adapter',
      name: dir,
      license: await licenseOf(dir),
      files: await fileSums(dir, (name) => /^adapter_(model\.safetensors|config\.json)$/.test(name)),
    });
  return parents;
}

interface Probe {
  rows: Int32Array[];
  /** [positions, vocabulary] */
  logits: Float32Array;
}

/** Logits after every token of a few texts in the tokenizer's own ids, and of one row of random ids. */
async function probe(args: TrainArgs, base: Base, { note }: BaseDeps): Promise<Probe> {
  const { vocabSize, maxPositions } = base.config;
  const random = seededRandom('export/probe');
  const texts = PROBES.map((text) => Int32Array.from(base.tokenizer.encode(text)).slice(0, maxPositions));
  const noise = Int32Array.from({ length: Math.min(12, maxPositions) }, () =>
    Math.floor(random.next() * vocabSize),
  );
  const rows = [...texts, noise].filter((row) => row.length > 1);
  const { decoder } = await openDecoder(args, base, 'infer', note);
  return { rows, logits: await logitsOf(decoder, rows) };
}

async function logitsOf(decoder: Decoder, rows: readonly Int32Array[]): Promise<Float32Array> {
  try {
    const batch = packBatch(rows.map((ids) => ({ inputIds: ids, labels: ids })));
    return await decoder.head.logits(await decoder.forward(batch), batch.targets.length);
  } finally {
    await decoder.backend.dispose();
  }
}

async function compare(before: Probe, dir: string, args: TrainArgs, deps: BaseDeps): Promise<ExportParity> {
  const own = { ...args, model_name_or_path: dir, adapter_name_or_path: [] };
  const exported = await openBase(own, 'infer', { ...deps, note: () => {} });
  try {
    const { decoder } = await openDecoder(own, exported, 'infer', () => {});
    const after = await logitsOf(decoder, before.rows);
    return parityOf(before, after, exported.config.vocabSize);
  } finally {
    await exported.weights.close();
  }
}

/** Rows are packed one after the other; the logits of a row's last token predict nothing that is known. */
export function parityOf({ rows, logits }: Probe, after: Float32Array, vocabulary: number): ExportParity {
  const targets = rows.flatMap((row) => [...row.subarray(1)]);
  const positions = logits.length / vocabulary;
  let agree = 0;
  let kl = 0;
  let difference = 0;
  let change = 0;
  for (let i = 0; i < positions; i++) {
    const p = logSoftmax(logits.subarray(i * vocabulary, (i + 1) * vocabulary));
    const q = logSoftmax(after.subarray(i * vocabulary, (i + 1) * vocabulary));
    if (p.top === q.top) agree++;
    for (let v = 0; v < vocabulary; v++) {
      kl += Math.exp(p.values[v]) * (p.values[v] - q.values[v]);
      difference = Math.max(difference, Math.abs(logits[i * vocabulary + v] - after[i * vocabulary + v]));
    }
    change += p.values[targets[i]] - q.values[targets[i]];
  }
  return {
    positions,
    topTokenAgreement: agree / positions,
    meanKl: Math.max(0, kl / positions),
    largestLogitDifference: difference,
    perplexityRatio: Math.exp(change / positions),
  };
}

function logSoftmax(logits: Float32Array): { values: Float64Array; top: number } {
  let top = 0;
  for (let v = 1; v < logits.length; v++) if (logits[v] > logits[top]) top = v;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - logits[top]);
  const lse = logits[top] + Math.log(sum);
  return { values: Float64Array.from(logits, (x) => x - lse), top };
}

function differs(parity: ExportParity): FactoryError {
  return new FactoryError({
    code: 'EXPORT_DIFFERS',
    message: `the merged model answers otherwise than the adapters on the base: mean KL ${parity.meanKl}, expected at most ${EXACT_KL} in float32; nothing was kept`,
    remedy: 'Report this with the adapter_config.json of the adapters; --verify false exports all the same.',
  });
}
