// In: banking77's test.csv, a tokenizer folder and, if there is one, a Python with transformers. Out: rows scored per second
// by log-probability, ours beside the rival turn by turn: 77 intents per question, and multiple choice after five examples.
// The weights are random; that both sides give the same log-probabilities is checked in every turn.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openBackend } from '@tunesmith/engine';
import { loadEvaluation } from '../../packages/factory/src/data/load-evaluation.ts';
import { buildDecoder } from '../../packages/factory/src/model/build-decoder.ts';
import { openModel } from '../../packages/factory/src/model/open-model.ts';
import { planTrees, type Question, scoreTrees } from '../../packages/factory/src/model/token-tree.ts';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { openTokenizer } from '../../packages/factory/src/tokens/tokenizer.ts';
import { machineFacts } from '../machine.ts';
import { makeModel, qwen2_5_0_5b } from '../train-step/make-model.ts';

/** Log-probabilities of whole labels, in nats, in float32. */
const TOLERANCE = 0.01;
const CASES = ['intents', 'choices'] as const;

interface Scored {
  scores: number[][];
  seconds: number;
  /** Of all threads of the process: what is left of a measurement where the machine is shared. */
  cpu_seconds: number;
}

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      data: { type: 'string', default: 'data/banking77/test.csv' },
      tokenizer: { type: 'string', default: '.cache/qwen-tokenizer' },
      model: { type: 'string', default: '.cache/qwen2.5-0.5b-six-layers' },
      turns: { type: 'string', default: '3' },
      python: { type: 'string' },
    },
  });
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const turns = Number(values.turns);
  const folder = makeModel(values.model, { ...qwen2_5_0_5b, num_hidden_layers: 6 });
  const questions = await questionsOf(values.data, values.tokenizer, turns + 1);
  const own = await openScorer(folder);
  const rival = values.python ? await openRival(values.python, folder, questions) : null;
  const results: Record<string, unknown> = {};
  for (const [c, name] of CASES.entries()) {
    const ours: Scored[] = [];
    const theirs: Scored[] = [];
    // By turns, so that both meet the same load. The first is a warm-up.
    for (let turn = 0; turn <= turns; turn++) {
      const number = 2 * turn + c;
      const mine = await own.score(questions[number]);
      const other = rival && (await rival.score(number));
      say(
        `${name}: ours ${mine.seconds.toFixed(2)} s${other ? `, theirs ${other.seconds.toFixed(2)} s` : ''}`,
      );
      if (other) agree(mine.scores, other.scores);
      if (turn === 0) continue;
      ours.push(mine);
      if (other) theirs.push(other);
    }
    const rate = (list: Scored[], key: 'seconds' | 'cpu_seconds' = 'seconds') =>
      list.reduce((n, { scores }) => n + scores.length, 0) / list.reduce((n, one) => n + one[key], 0);
    const ratio = (key: 'seconds' | 'cpu_seconds') =>
      Number((rate(ours, key) / rate(theirs, key)).toFixed(2));
    results[`${name}_items_per_second`] = Number(rate(ours).toFixed(3));
    results[`${name}_transformers_items_per_second`] = rival ? Number(rate(theirs).toFixed(3)) : null;
    results[`${name}_ratio`] = rival ? ratio('seconds') : null;
    results[`${name}_ratio_of_cpu_time`] = rival ? ratio('cpu_seconds') : null;
  }
  await own.close();
  rival?.close();
  return {
    benchmark: 'eval',
    shape: 'Qwen2.5-0.5B with 6 of its 24 layers, float32, 2 threads',
    turns,
    ...results,
    ...machineFacts(),
  };
}

/** Of each turn, two questions with 77 intents, and eight with four letters after five examples. */
async function questionsOf(data: string, tokenizerDir: string, turns: number): Promise<Question[][]> {
  const tokenizer = await openTokenizer(tokenizerDir);
  const { items } = await loadEvaluation({
    names: [data],
    dataset_dir: '.',
    max_dropped_fraction: 0,
    seed: 1,
    read: 'columns',
  });
  const rows = seededRandom('benchmark')
    .shuffle(items)
    .map(({ columns }) => columns as Record<string, string>);
  const labels = [...new Set(rows.map(({ category }) => category))].sort();
  const ids = (text: string) => tokenizer.encode(text);
  const intents = (row: Record<string, string>): Question => ({
    prompt: ids(`Which intent does this question to a bank have?\n${row.text}\nIntent:`),
    continuations: labels.map((label) => ids(` ${label}`)),
  });
  const asked = (row: Record<string, string>, i: number) =>
    `Question: ${row.text}\n${['A', 'B', 'C', 'D'].map((letter, k) => `${letter}. ${labels[(7 * i + 11 * k) % labels.length]}`).join('\n')}\nAnswer:`;
  const examples = rows
    .slice(-5)
    .map((row, i) => `${asked(row, i)} ${'ABCD'[i % 4]}\n\n`)
    .join('');
  const choices = (row: Record<string, string>, i: number): Question => ({
    prompt: ids(`The following are questions to a bank. Choose the intent.\n\n${examples}${asked(row, i)}`),
    continuations: ['A', 'B', 'C', 'D'].map((letter) => ids(` ${letter}`)),
  });
  return Array.from({ length: turns }, (_, turn) => {
    const own = rows.slice(10 * turn, 10 * turn + 10);
    // The first turn only warms up.
    const count = turn === 0 ? 1 : 10;
    return [own.slice(0, Math.min(2, count)).map(intents), own.slice(2, 2 + Math.min(8, count)).map(choices)];
  }).flat();
}

async function openScorer(folder: string) {
  const model = await openModel(folder, { cacheDir: folder, offline: true });
  const backend = await openBackend('cpu');
  const decoder = await buildDecoder({
    backend,
    config: model.config,
    source: model.weights,
    trained: new Set(),
    halfStorage: false,
    lora: null,
  });
  await model.weights.close();
  return {
    async score(questions: readonly Question[]): Promise<Scored> {
      const begun = performance.now();
      const cpu = process.cpuUsage();
      const scores: number[][] = [];
      for (const batch of planTrees(questions))
        for (const [q, parts] of await scoreTrees(decoder, questions, batch))
          scores[q] = parts.map((logProbs) => logProbs.reduce((sum, one) => sum + one, 0));
      const { user, system } = process.cpuUsage(cpu);
      return { scores, seconds: (performance.now() - begun) / 1000, cpu_seconds: (user + system) / 1e6 };
    },
    close: () => backend.dispose(),
  };
}

async function openRival(python: string, folder: string, questions: Question[][]) {
  const file = join(mkdtempSync(join(tmpdir(), 'eval-')), 'turns.json');
  writeFileSync(file, JSON.stringify(questions));
  const script = new URL('./transformers_baseline.py', import.meta.url).pathname;
  const child: ChildProcess = spawn(python, [script, folder, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<Scored> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the rival ${python} ended early; see its messages above`);
    return JSON.parse(value) as Scored;
  };
  await next();
  return {
    async score(turn: number): Promise<Scored> {
      child.stdin!.write(`score ${turn}\n`);
      return next();
    },
    close(): void {
      child.stdin!.end();
    },
  };
}

function agree(ours: number[][], theirs: number[][]): void {
  const most = Math.max(...ours.flatMap((row, q) => row.map((value, c) => Math.abs(value - theirs[q][c]))));
  if (!(most <= TOLERANCE))
    throw new Error(`log-probabilities differ by ${most}, at most ${TOLERANCE} is allowed`);
}
