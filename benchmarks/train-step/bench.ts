// In: a data file, a tokenizer folder and, if there is one, a Python with transformers and peft. Out: whole LoRA steps on
// the Qwen2.5-0.5B shape with random weights: tokens/s and peak memory, beside the machine's own SGEMM rate and beside
// the rival, step by step in one run. Loss values mean nothing here; parity is tested elsewhere.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { loadDatasets } from '../../packages/factory/src/data/load-datasets.ts';
import type { EncodedExample } from '../../packages/factory/src/records/encoded.ts';
import { planBatches } from '../../packages/factory/src/tokens/batches.ts';
import { encodeRows } from '../../packages/factory/src/tokens/encode.ts';
import { resolveTemplate } from '../../packages/factory/src/tokens/template.ts';
import { openTokenizer } from '../../packages/factory/src/tokens/tokenizer.ts';
import { machineFacts, median } from '../machine.ts';
import { makeModel } from './make-model.ts';
import { measureSgemm } from './sgemm.ts';
import { type OwnStep, openTrainer } from './trainer.ts';

const BATCH = 4;

interface RivalStep {
  event: string;
  seconds: number;
  padded_tokens: number;
  useful_tokens: number;
  peak_rss_bytes?: number;
}

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      data: { type: 'string', default: 'alpaca_en_demo' },
      'dataset-dir': { type: 'string', default: 'data' },
      tokenizer: { type: 'string', default: '.cache/qwen-tokenizer' },
      model: { type: 'string', default: '.cache/qwen2.5-0.5b-shape' },
      steps: { type: 'string', default: '6' },
      python: { type: 'string' },
      cutoff: { type: 'string', default: '512' },
    },
  });
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const steps = Number(values.steps);
  const rows = await encodedRows(values.data, values['dataset-dir'], values.tokenizer, Number(values.cutoff));
  say(`${rows.length} rows encoded`);
  const folder = makeModel(values.model);
  const own = groupedBatches(rows, steps);
  const theirs = shuffledBatches(rows, steps);

  const trainer = await openTrainer(folder);
  const rival = values.python ? await openRival(values.python, folder, theirs) : null;
  const ours: (OwnStep & { sgemm: number })[] = [];
  const others: RivalStep[] = [];
  // One step of each by turns, so that both meet the same load. The first of each is a warm-up.
  for (let i = -1; i < steps; i++) {
    const batch = own[i < 0 ? steps - 1 : i];
    const before = await measureSgemm(batch.reduce((n, e) => n + e.inputIds.length, 0));
    const step = await trainer.step(batch);
    // The machine's rate drifts with its other guests: before and after count alike.
    const sgemm = (before + (await measureSgemm(step.tokens))) / 2;
    if (i >= 0) ours.push({ ...step, sgemm });
    say(
      `ours   ${step.tokens} tokens ${step.seconds.toFixed(2)} s ${(step.usefulGflops / step.seconds).toFixed(0)} GFLOP/s, SGEMM ${sgemm.toFixed(0)}`,
    );
    if (!rival) continue;
    const other = await rival.step(i < 0 ? steps - 1 : i);
    if (i >= 0) others.push(other);
    say(`theirs ${other.useful_tokens} of ${other.padded_tokens} tokens ${other.seconds.toFixed(2)} s`);
  }
  const shares: number[] = [];
  for (let i = 0; i < 4; i++) {
    const before = await measureSgemm(1024);
    const full = await trainer.step(fixedBatch(rows, 256));
    const share = full.usefulGflops / full.seconds / ((before + (await measureSgemm(1024))) / 2);
    say(`1,024 tokens: ${share.toFixed(3)} of SGEMM`);
    if (i > 0) shares.push(share);
  }
  const peak = trainer.peakRssBytes();
  await trainer.close();
  const rivalPeak = rival ? await rival.close() : null;

  const perSecond = (list: { tokens: number; seconds: number }[]) =>
    list.reduce((n, s) => n + s.tokens, 0) / list.reduce((n, s) => n + s.seconds, 0);
  const ownRate = perSecond(ours);
  const rivalRate = rival
    ? perSecond(others.map(({ useful_tokens: tokens, seconds }) => ({ tokens, seconds })))
    : null;
  return {
    benchmark: 'train-step',
    shape: 'Qwen2.5-0.5B, LoRA r=8 on all linears, batch 4, cutoff 512',
    steps,
    useful_tokens_per_second: Number(ownRate.toFixed(2)),
    share_of_sgemm_median: Number(median(ours.map((s) => s.usefulGflops / s.seconds / s.sgemm)).toFixed(3)),
    share_of_sgemm_1024_tokens: Number(median(shares).toFixed(3)),
    peak_rss_gb: Number((peak / 1e9).toFixed(2)),
    peft_useful_tokens_per_second: rivalRate === null ? null : Number(rivalRate.toFixed(2)),
    peft_peak_rss_gb: rivalPeak === null ? null : Number((rivalPeak / 1e9).toFixed(2)),
    ratio_to_peft: rivalRate === null ? null : Number((ownRate / rivalRate).toFixed(2)),
    ...machineFacts(),
  };
}

async function encodedRows(data: string, datasetDir: string, tokenizerDir: string, cutoffLen: number) {
  const { train } = await loadDatasets({
    dataset: [data],
    eval_dataset: [],
    dataset_dir: datasetDir,
    mix_strategy: 'concat',
    interleave_probs: null,
    max_samples: null,
    val_size: 0,
    max_dropped_fraction: 0.5,
    sealed_test: null,
    stage: 'sft',
    seed: 42,
  });
  const tokenizer = await openTokenizer(tokenizerDir);
  const template = resolveTemplate({ tokenizer, name: 'qwen' });
  return encodeRows(train, { stage: 'sft', template, tokenizer, cutoffLen }).dataset.examples;
}

/** The trainer's own plan: rows of like length together. The steps are spread over the epoch. */
function groupedBatches(rows: EncodedExample[], steps: number): EncodedExample[][] {
  const lengths = rows.map((r) => r.inputIds.length);
  const plan = planBatches({
    lengths,
    perDeviceBatchSize: BATCH,
    accumulation: 1,
    seed: 42,
    epoch: 0,
    dropLast: true,
    shuffle: true,
  });
  // The first is the largest of the epoch, for the peak of memory.
  return Array.from({ length: steps }, (_, i) =>
    plan[Math.floor((i * plan.length) / steps)][0].map((r) => rows[r]),
  );
}

/** The rival's plan: rows in random order, as Hugging Face's sampler gives them. */
function shuffledBatches(rows: EncodedExample[], steps: number): EncodedExample[][] {
  const stride = Math.floor(rows.length / (steps * BATCH));
  return Array.from({ length: steps }, (_, i) =>
    Array.from({ length: BATCH }, (_, j) => rows[(i * BATCH + j) * Math.max(1, stride)]),
  );
}

/** Four rows of exactly `length` tokens: a step of known size. */
function fixedBatch(rows: EncodedExample[], length: number): EncodedExample[] {
  const long = rows.filter((r) => r.inputIds.length >= length).slice(0, BATCH);
  return long.map(({ inputIds, labels }) => ({
    inputIds: inputIds.subarray(0, length),
    labels: labels.subarray(0, length),
  }));
}

async function openRival(python: string, folder: string, batches: EncodedExample[][]) {
  const file = join(mkdtempSync(join(tmpdir(), 'train-step-')), 'batches.json');
  const plain = batches.map((rows) =>
    rows.map(({ inputIds, labels }) => ({ input_ids: [...inputIds], labels: [...labels] })),
  );
  writeFileSync(file, JSON.stringify(plain));
  const script = new URL('./peft_baseline.py', import.meta.url).pathname;
  const child: ChildProcess = spawn(python, [script, folder, file, '--serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<RivalStep> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the rival ${python} ended early; see its messages above`);
    return JSON.parse(value) as RivalStep;
  };
  await next();
  let peak = 0;
  return {
    async step(i: number): Promise<RivalStep> {
      child.stdin!.write(`step ${i}\n`);
      const step = await next();
      peak = Math.max(peak, step.peak_rss_bytes ?? 0);
      return step;
    },
    async close(): Promise<number> {
      child.stdin!.end('quit\n');
      return peak;
    },
  };
}
