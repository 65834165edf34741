// In: a model before an export and after it. Out: how alike their answers are, on a few texts in several languages and one row of
// random ids. It judges nothing: what is too far apart is the exporter's to say.
import type { Decoder } from '#factory/model/decoder.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Base, type BaseDeps, openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';

export const PARITY_FILE = 'export_parity.json';

/** How the exported model answers beside the one that it was made from; logarithms are natural. */
export interface ExportParity {
  positions: number;
  /** Share of positions whose likeliest token is the same. */
  topTokenAgreement: number;
  /** Mean divergence of the next-token distributions, from the one before export. */
  meanKl: number;
  /** Over all tokens of all positions. */
  largestLogprobDifference: number;
  /** Perplexity of the probe texts after over before. */
  perplexityRatio: number;
}

export const PROBES = [
  'The quarterly report lists revenue by region, and the table below shows how it changed since last year.',
  '客户反馈：订单号 20240117 的商品在运输途中损坏，希望尽快退款或者补发。',
  'def total(items):\n    return sum(item.price * item.count for item in items)\n',
  '{"intent": "refund", "priority": "high", "order": 48213}',
];

interface Probe {
  rows: Int32Array[];
  /** [positions, vocabulary] */
  logits: Float32Array;
}

/** Logits after every token of a few texts in the tokenizer's own ids, and of one row of random ids. */
export async function probeModel(args: TrainArgs, base: Base, { note }: BaseDeps): Promise<Probe> {
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

/** `args`: those that open what was exported. */
export async function compareExport(before: Probe, args: TrainArgs, deps: BaseDeps): Promise<ExportParity> {
  const exported = await openBase(args, 'infer', { ...deps, note: () => {} });
  try {
    const { decoder } = await openDecoder(args, exported, 'infer', () => {});
    const after = await logitsOf(decoder, before.rows);
    return parityOf(before, after, exported.config.vocabSize);
  } finally {
    await exported.weights.close();
  }
}

/** Rows are packed one after the other; the logits of a row's last token predict nothing that is known. */
export function parityOf({ rows, logits }: Probe, after: Float32Array, vocabulary: number): ExportParity {
  const targets = rows.flatMap((row) => [...row.subarray(1)]);
  const meter = divergenceMeter();
  for (let i = 0; i < targets.length; i++) {
    const [from, to] = [i * vocabulary, (i + 1) * vocabulary];
    meter.add(logits.subarray(from, to), after.subarray(from, to), targets[i]);
  }
  return meter.result();
}

/** Adds up, position by position, how far the second distribution is from the first; both come as logits, up to a constant. */
export function divergenceMeter() {
  let positions = 0;
  let agree = 0;
  let kl = 0;
  let difference = 0;
  let change = 0;
  return {
    /** The divergence at this position. */
    add(before: Float32Array, after: Float32Array, target: number): number {
      const p = logSoftmax(before);
      const q = logSoftmax(after);
      positions++;
      if (p.top === q.top) agree++;
      let here = 0;
      for (let v = 0; v < before.length; v++) {
        // What one of them excludes altogether has no finite logarithm.
        if (p.values[v] === Number.NEGATIVE_INFINITY) continue;
        here += Math.exp(p.values[v]) * (p.values[v] - q.values[v]);
        difference = Math.max(difference, Math.abs(p.values[v] - q.values[v]));
      }
      kl += here;
      change += p.values[target] - q.values[target];
      return here;
    },
    result(): ExportParity {
      return {
        positions,
        topTokenAgreement: agree / positions,
        meanKl: Math.max(0, kl / positions),
        largestLogprobDifference: difference,
        perplexityRatio: Math.exp(change / positions),
      };
    },
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
