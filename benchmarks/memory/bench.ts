// In: which runs to measure. Out: planned and measured peaks side by side: of small shapes by every method, and of whole 7B
// and 13B shapes with random weights; with the table that everybody knows, planned. Measured runs of an earlier result that are
// not measured again are kept.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBackend } from '@tunesmith/engine';
import { parsePlanArgs } from '../../packages/factory/src/arguments/parse.ts';
import { classicRows } from '../../packages/factory/src/pipeline/plan-classic.ts';
import { KNOWN_SHAPES } from '../../packages/factory/src/plan/known-shapes.ts';
import { machineFacts } from '../machine.ts';
import { type Measured, measurePeak } from './measure.ts';
import { makeRandomModel } from './random-model.ts';
import { measureSmall } from './small-case.ts';
import { MEASURED_METHODS, SMALL_SHAPES } from './small-shapes.ts';

interface Run {
  shape: string;
  method: string;
  tokens: number;
  steps: number;
  planned_gb: number;
  measured_gb: number;
  ratio: number;
  seconds: number;
}

/** One optimiser step each; what issue and guides promise, in GB. */
const LARGE: readonly { shape: string; method: string; limit_gb: number }[] = [
  { shape: 'Llama-2-7B', method: 'qlora-4', limit_gb: 8 },
  { shape: 'Qwen2.5-7B', method: 'qlora-4', limit_gb: 8 },
  { shape: 'Llama-2-7B', method: 'lora-streamed', limit_gb: 6 },
  { shape: 'Qwen2.5-7B', method: 'lora-streamed', limit_gb: 6 },
  { shape: 'Llama-2-13B', method: 'qlora-4', limit_gb: 12 },
];
const LARGE_TOKENS = 1024;
const SMALL_TOKENS = 128;

const nameOf = ({ shape, method }: Pick<Run, 'shape' | 'method'>) => `${shape}/${method}`;

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      // Names such as Llama-2-7B/qlora-4, `small` or `large`, with commas between.
      runs: { type: 'string', default: 'small' },
      folder: { type: 'string', default: '.cache/memory' },
      earlier: { type: 'string' },
    },
  });
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const small = Object.keys(SMALL_SHAPES).flatMap((shape) =>
    Object.keys(MEASURED_METHODS).map((method) => ({ shape, method })),
  );
  const wanted = values.runs.split(',').flatMap((name): readonly Pick<Run, 'shape' | 'method'>[] => {
    if (name === 'small') return small;
    if (name === 'large') return LARGE;
    return [...small, ...LARGE].filter((run) => nameOf(run) === name);
  });
  const runs = new Map<string, Run>();
  const earlier = values.earlier
    ? (JSON.parse(readFileSync(values.earlier, 'utf8')) as { runs: Run[] }).runs
    : [];
  for (const run of earlier) runs.set(nameOf(run), run);
  for (const { shape, method } of wanted) {
    const isLarge = shape in KNOWN_SHAPES;
    const measured = isLarge
      ? await measureLarge(values.folder, shape, method)
      : await measureSmall(values.folder, shape, method, SMALL_TOKENS);
    const run = asRun(shape, method, isLarge ? [LARGE_TOKENS, 1] : [SMALL_TOKENS, 2], measured);
    runs.set(nameOf(run), run);
    say(
      `${nameOf(run).padEnd(28)} planned ${run.planned_gb.toFixed(3)} GB, measured ${run.measured_gb.toFixed(3)} GB, ratio ${run.ratio.toFixed(3)}, ${run.seconds} s`,
    );
  }
  const all = [...runs.values()];
  const ratios = all.map(({ ratio }) => ratio);
  await using backend = await openBackend('reference');
  const { args } = parsePlanArgs(['--lora_rank', '8'], [], { readFile: () => '', env: {} });
  return {
    benchmark: 'memory',
    lowest_ratio: Math.min(...ratios),
    highest_ratio: Math.max(...ratios),
    runs: all,
    limits: LARGE,
    classic: classicRows(args, backend),
    ...machineFacts(),
  };
}

function asRun(shape: string, method: string, [tokens, steps]: number[], measured: Measured): Run {
  const round = (value: number) => Number(value.toFixed(3));
  const { plannedBytes, peakBytes, seconds } = measured;
  return {
    shape,
    method,
    tokens,
    steps,
    planned_gb: round(plannedBytes / 1e9),
    measured_gb: round(peakBytes / 1e9),
    ratio: round(plannedBytes / peakBytes),
    seconds: Math.round(seconds),
  };
}

/** Rank 8, all activations computed again. The model of another shape is removed first: each takes 14 to 26 GB of disk. */
async function measureLarge(folder: string, shape: string, method: string): Promise<Measured> {
  const large = join(folder, 'large');
  const model = join(large, shape);
  for (const { shape: other } of LARGE)
    if (other !== shape) rmSync(join(large, other), { recursive: true, force: true });
  mkdirSync(large, { recursive: true });
  const keys = { ...MEASURED_METHODS[method].keys, lora_rank: 8, residual_policy: 'recompute' };
  return measurePeak({
    model: makeRandomModel(model, KNOWN_SHAPES[shape]),
    keys: { ...keys, memory: '20GB' },
    rows: 1,
    tokens: LARGE_TOKENS,
    steps: 1,
  });
}
