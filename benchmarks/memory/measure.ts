// In: a model folder, a method and a size of batch. Out: the peak of a real `tunesmith train` of a few steps, in a process
// of its own, as the kernel counts it, beside the peak that it planned. Rows are made so that every batch has exactly the
// wanted tokens.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/factory/src/cli/main.ts', import.meta.url));

export interface MemoryCase {
  /** A folder, or a GGUF file. */
  model: string;
  /** Keys of training that choose the method, and any others. */
  keys: Readonly<Record<string, string | number | boolean>>;
  rows: number;
  tokens: number;
  steps: number;
}

export interface Measured {
  plannedBytes: number;
  peakBytes: number;
  seconds: number;
}

/** What the run leaves is removed. */
export async function measurePeak({ model, keys, rows, tokens, steps }: MemoryCase): Promise<Measured> {
  const work = mkdtempSync(join(tmpdir(), 'memory-'));
  try {
    mkdirSync(join(work, 'data'));
    const isPairs = keys.stage === 'dpo' || keys.stage === 'rm';
    const isPrompts = keys.stage === 'grpo' || keys.stage === 'ppo';
    const columns = isPairs ? { prompt: 'ask', chosen: 'good', rejected: 'bad' } : { prompt: 'text' };
    const data = isPairs
      ? pairs(rows * steps, tokens)
      : isPrompts
        ? prompts(8 * rows * steps, tokens)
        : text(8 * rows * steps * tokens);
    writeFileSync(join(work, 'data', 'rows.json'), JSON.stringify(data));
    writeFileSync(
      join(work, 'data', 'dataset_info.json'),
      JSON.stringify({ rows: { file_name: 'rows.json', ranking: isPairs, columns } }),
    );
    const all = {
      model_name_or_path: model,
      stage: 'pt',
      do_train: true,
      dataset: 'rows',
      dataset_dir: join(work, 'data'),
      cutoff_len: tokens,
      per_device_train_batch_size: rows,
      gradient_accumulation_steps: 1,
      max_steps: steps,
      save_strategy: 'no',
      plot_loss: false,
      learning_rate: 1e-6,
      output_dir: join(work, 'out'),
      // A random model hardly ever ends an answer.
      ...(isPrompts ? { max_new_tokens: tokens - promptTokens(tokens) } : {}),
      ...keys,
    };
    const words = Object.entries(all).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const begun = performance.now();
    const { metrics, peakBytes } = await train(words);
    return {
      plannedBytes: 1e9 * metrics.planned_memory_gb,
      peakBytes,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    rmSync(work, { recursive: true });
  }
}

const SENTENCE = 'the cat sat on a mat; ';

/** A character is a token here, or some are; texts are packed into rows of cutoff_len. */
const text = (tokens: number) => [{ text: SENTENCE.repeat(Math.ceil(tokens / SENTENCE.length) + 4) }];

/** A quarter of a row is the prompt, the rest is written. */
const promptTokens = (tokens: number) => Math.floor(tokens / 4);

function prompts(count: number, tokens: number) {
  // The template adds a few more, so that the prompt is a little short of its share, and answers are too.
  const words = SENTENCE.repeat(tokens).slice(0, promptTokens(tokens) / 2);
  return Array.from({ length: count }, (_, i) => ({ text: `${words}${i}` }));
}

/** Both answers have `tokens` tokens with what comes before them, or more, which is cut off. */
function pairs(count: number, tokens: number) {
  const answer = SENTENCE.repeat(Math.ceil(tokens / SENTENCE.length));
  return Array.from({ length: count }, (_, i) => ({ ask: `${i}?`, good: answer, bad: `no, ${answer}` }));
}

async function train(words: string[]): Promise<{ metrics: Record<string, number>; peakBytes: number }> {
  const child = spawn(process.execPath, [MAIN, 'train', ...words, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  let peakBytes = 0;
  const look = () => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
  };
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  const timer = setInterval(look, 50);
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (status !== 0) throw new Error(`tunesmith train ended with ${status}: ${err.slice(-2000)}`);
  } finally {
    clearInterval(timer);
  }
  const { metrics } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { metrics: Record<string, number> };
  // The process has counted itself to its end; where there is no /proc that is all there is.
  return { metrics, peakBytes: Math.max(peakBytes, 1e9 * metrics.peak_memory_gb) };
}

/** The most that the process ever had in memory (VmHWM), in bytes; 0 where the kernel does not say. */
function peakOf(pid: number | undefined): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? 1024 * Number(found[1]) : 0;
  } catch {
    return 0;
  }
}
