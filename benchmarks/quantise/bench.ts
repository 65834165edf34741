// In: a GGUF file in full precision. Out: what every type of `tunesmith quantize` makes of it: size, perplexity beside the
// source's on held-out mails with an interval, how often the likeliest token is the same, and speed.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LlamaModel, Token } from 'node-llama-cpp';
import { mailText } from '../../packages/factory/src/data/mail/mail-text.ts';
import { QUANT_TYPES } from '../../packages/factory/src/export/quantise/types.ts';
import { readGgufHeader } from '../../packages/factory/src/model/gguf/header.ts';
import { quantiseModel } from '../../packages/factory/src/pipeline/quantise-model.ts';
import { readSpamMails } from '../../packages/factory/src/quickstart/spam-task.ts';
import SPLIT from '../../packages/factory/src/quickstart/split.json' with { type: 'json' };
import { machineFacts, median } from '../machine.ts';
import { Runner, type Scored, score, speed } from './measure.ts';

/** Two-sided, 95 %. */
const Z = 1.96;

interface Row {
  type: string;
  bytes: number;
  bits_per_weight: number;
  perplexity: number;
  /** Over that of the source, in percent, with its interval: pairs of tokens, normal. */
  perplexity_change: { percent: number; low: number; high: number };
  /** Share of positions where the likeliest token is that of the source. */
  same_token: number;
  tokens_per_cpu_second: number;
  /** Tensors that got another type than the one called for, for the length of their rows. */
  fallbacks: number;
}

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      model: { type: 'string' },
      name: { type: 'string' },
      about: { type: 'string', default: '' },
      'about-zh': { type: 'string', default: '' },
      types: { type: 'string', default: QUANT_TYPES.map(({ name }) => name).join(',') },
      windows: { type: 'string', default: '8' },
      turns: { type: 'string', default: '3' },
    },
  });
  if (!values.model) throw new Error('bench quantise: --model FILE.gguf is missing');
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const dir = mkdtempSync(join(os.tmpdir(), 'bench-quantise-'));
  const runner = await Runner.open();
  try {
    const source = await runner.load(values.model);
    const windows = windowsOf(source, Number(values.windows));
    const before = await score(source, windows);
    const sourceSpeeds: number[] = [];
    const rows: Row[] = [];
    for (const type of QUANT_TYPES.filter(({ name }) => values.types.split(',').includes(name))) {
      const output = join(dir, `${type.name}.gguf`);
      const made = await quantiseModel(
        { input: values.model, output, type, allowRequantize: false, threads: os.availableParallelism() },
        { env: process.env, note: () => {} },
      );
      const model = await runner.load(output);
      const after = await score(model, windows);
      const speeds: number[] = [];
      // By turns, so that both meet the same load.
      for (let turn = 0; turn < Number(values.turns); turn++) {
        sourceSpeeds.push(await speed(source, windows[0]));
        speeds.push(await speed(model, windows[0]));
      }
      await model.dispose();
      rmSync(output);
      rows.push({
        type: type.name,
        bytes: made.bytes,
        bits_per_weight: round(made.bitsPerWeight, 2),
        ...compare(before, after),
        tokens_per_cpu_second: round(median(speeds), 1),
        fallbacks: made.fallbacks.length,
      });
      say(JSON.stringify(rows.at(-1)));
    }
    return {
      model: values.name ?? basename(values.model),
      about: { en: values.about, zh: values['about-zh'] },
      ...machineFacts(),
      positions: before.logprobs.length,
      source: {
        type: await typeOf(values.model),
        bytes: statSync(values.model).size,
        perplexity: round(perplexity(before), 4),
        tokens_per_cpu_second: round(median(sourceSpeeds), 1),
      },
      types: rows,
    };
  } finally {
    await runner.dispose();
    rmSync(dir, { recursive: true });
  }
}

/** Of its matrices. */
async function typeOf(path: string): Promise<string> {
  const file = await open(path);
  const { tensors } = await readGgufHeader(file, path);
  await file.close();
  return [
    ...new Set([...tensors.values()].filter(({ shape }) => shape.length > 1).map(({ type }) => type.name)),
  ].join(', ');
}

/** Windows of 256 tokens of the mails that the quickstart holds out, wanted ones only, in the order of their names. */
function windowsOf(model: LlamaModel, count: number): Token[][] {
  const held = new Set(SPLIT.test);
  const texts = readSpamMails()
    .filter(({ id, label }) => label === 'ham' && held.has(id))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ bytes }) => mailText(bytes).body);
  const length = 256;
  const ids = model.tokenize(texts.join('\n\n').slice(0, count * length * 8));
  const bos = model.tokens.shouldPrependBosToken ? [model.tokens.bos as Token] : [];
  return Array.from({ length: count }, (_, i) => [
    ...bos,
    ...ids.slice(i * (length - bos.length), (i + 1) * (length - bos.length)),
  ]);
}

function compare(
  before: Scored,
  after: Scored,
): Pick<Row, 'perplexity' | 'perplexity_change' | 'same_token'> {
  const lost = before.logprobs.map((value, i) => value - after.logprobs[i]);
  const n = lost.length;
  const mean = lost.reduce((sum, value) => sum + value, 0) / n;
  const variance = lost.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = Z * Math.sqrt(variance / n);
  const percent = (nats: number) => round(100 * Math.expm1(nats), 2);
  const same = before.likeliest.reduce((sum, id, i) => sum + Number(id === after.likeliest[i]), 0);
  return {
    perplexity: round(perplexity(after), 4),
    perplexity_change: { percent: percent(mean), low: percent(mean - half), high: percent(mean + half) },
    same_token: round(same / n, 4),
  };
}

const perplexity = ({ logprobs }: Scored) =>
  Math.exp(-logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length);

const round = (value: number, digits: number) => Number(value.toFixed(digits));
