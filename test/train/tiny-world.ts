// In: nothing. Out: a temporary folder with a tiny model that has a tokenizer, small data sets, and the real command line
// as a child process. Everything a test of whole runs needs, and nothing that is checked.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportCommand } from '../../packages/factory/src/cli/commands/export.ts';
import { renderError } from '../../packages/factory/src/cli/render-error.ts';

const MAIN = fileURLToPath(new URL('../../packages/factory/src/cli/main.ts', import.meta.url));
const MODELS = fileURLToPath(new URL('../parity/models', import.meta.url));

export type Flags = Record<string, string | number | boolean | null | string[]>;

export interface Ended {
  status: number | null;
  out: string;
  err: string;
}

export interface Event {
  kind: string;
  [key: string]: unknown;
}

export interface World {
  dir: string;
  model: string;
  data: string;
  /** A path below the world's folder. */
  at(...names: string[]): string;
  /** The flags of a LoRA run of 12 steps (3 epochs of 4) into `output`; later flags win, null removes one. */
  flags(output: string, change?: Flags): string[];
  /** Runs `tunesmith train` with these flags to its end. */
  train(output: string, change?: Flags, more?: string[]): Promise<Ended>;
  dispose(): void;
}

export function makeWorld(architecture = 'llama'): World {
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-train-'));
  const at = (...names: string[]) => join(dir, ...names);
  makeModel(architecture, at('model'));
  makeData(at('data'));
  const flags = (output: string, change: Flags = {}) =>
    toWords({
      model_name_or_path: at('model'),
      stage: 'sft',
      do_train: true,
      dataset: 'tiny',
      dataset_dir: at('data'),
      template: 'default',
      finetuning_type: 'lora',
      lora_target: 'q_proj,v_proj',
      lora_rank: 2,
      output_dir: at(output),
      per_device_train_batch_size: 2,
      gradient_accumulation_steps: 2,
      num_train_epochs: 3,
      learning_rate: 0.01,
      logging_steps: 2,
      save_steps: 4,
      cutoff_len: 256,
      ...change,
    });
  return {
    dir,
    model: at('model'),
    data: at('data'),
    at,
    flags,
    train: (output, change, more = []) => tunesmith(['train', ...flags(output, change), ...more]),
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export function toWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([key, value]) => {
    if (value === null) return [];
    if (Array.isArray(value)) return [`--${key}`, ...value];
    return [`--${key}`, String(value)];
  });
}

/** Runs the real program to its end. */
export function tunesmith(words: string[], options: { input?: string; cwd?: string } = {}): Promise<Ended> {
  return ended(start(words, options));
}

/** `tunesmith export` in this process, which spares the start of another. */
export async function exportHere(words: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const json = words.includes('--json');
  const console = { outIsTty: false, errIsTty: false, columns: 100 };
  const terminal = { ...console, out: (text: string) => (out += text), err: (text: string) => (err += text) };
  const context = {
    words: words.filter((word) => word !== '--json'),
    json,
    terminal,
    env: { HF_HUB_OFFLINE: '1' },
  };
  try {
    return { status: await exportCommand(context), out, err };
  } catch (error) {
    const { text, exitCode } = renderError(error);
    return { status: exitCode, out, err: err + text };
  }
}

export function start(
  words: string[],
  { input = '', cwd }: { input?: string; cwd?: string } = {},
): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd,
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return child;
}

export function ended(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

/** The events of a run that was started with --json. */
export function eventsOf(run: Ended): Event[] {
  return run.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

export function readJson<T = Record<string, unknown>>(...names: string[]): T {
  return JSON.parse(readFileSync(join(...names), 'utf8')) as T;
}

/** Objects of a file with one per line. */
export function readLines(...names: string[]): Record<string, unknown>[] {
  return readFileSync(join(...names), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export interface Shapes {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

export function safetensorsHeader(...names: string[]): Shapes {
  const bytes = readFileSync(join(...names));
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8'));
  return tensors as Shapes;
}

const TIMING = /^(elapsed_time|remaining_time|throughput)$|_(runtime|per_second|per_sec)$/;

/** What two runs must have in common to the bit: weights and both logs, without the fields that measure time. */
export function essence(dir: string) {
  const untimed = (entries: Record<string, unknown>[]) =>
    entries.map((entry) => Object.fromEntries(Object.entries(entry).filter(([key]) => !TIMING.test(key))));
  const weights = ['adapter_model.safetensors', 'model.safetensors'].filter((name) =>
    existsSync(join(dir, name)),
  );
  return {
    weights: weights.map((name) => [name, readFileSync(join(dir, name)).toString('base64')]),
    history: untimed(
      readJson<{ log_history: Record<string, unknown>[] }>(dir, 'trainer_state.json').log_history,
    ),
    log: untimed(readLines(dir, 'trainer_log.jsonl')),
  };
}

export function checkpoints(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => /^checkpoint-\d+$/.test(name))
    .sort((a, b) => Number(a.slice(11)) - Number(b.slice(11)));
}

/** A fixture model, with room for 512 tokens and a tokenizer of one id per character. */
function makeModel(architecture: string, dir: string): void {
  mkdirSync(dir, { recursive: true });
  for (const name of readdirSync(join(MODELS, architecture)))
    if (name.startsWith('model')) cpSync(join(MODELS, architecture, name), join(dir, name));
  const config = readJson<{ vocab_size: number }>(MODELS, architecture, 'config.json');
  write(dir, 'config.json', { ...config, max_position_embeddings: 512 });
  write(dir, 'tokenizer.json', characterTokenizer(config.vocab_size));
  write(dir, 'tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    pad_token: '</s>',
  });
  write(dir, 'generation_config.json', { bos_token_id: 1, eos_token_id: 2 });
}

/** Printable ASCII and the line end, less `^` and what else does not fit into `size`. */
function characterTokenizer(size: number): object {
  const special = ['<unk>', '<s>', '</s>'];
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
  const characters = ['\n', ...printable.filter((c) => !'^~`'.includes(c))].slice(0, size - special.length);
  const vocab = Object.fromEntries([...special, ...characters].map((token, id) => [token, id]));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>', fuse_unk: false, byte_fallback: false },
  };
}

const ANIMALS = ['cat', 'dog', 'cow', 'hen', 'owl', 'ant', 'bee', 'fox'];

/** `tiny`: 16 alpaca rows; `talk`: 6 sharegpt rows; `more`: 8 alpaca rows; `story`: 12 texts for stage pt. */
function makeData(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const rows = (n: number, question: string) =>
    Array.from({ length: n }, (_, i) => ({
      instruction: `${question} ${ANIMALS[i % 8]}${'?'.repeat(1 + (i % 5))}`,
      input: i % 3 === 0 ? `No ${i}` : '',
      output: `${ANIMALS[(i * 3) % 8]} ${i} ${'yes '.repeat(i % 4)}`.trim(),
    }));
  write(dir, 'tiny.json', rows(16, 'Say'));
  write(dir, 'more.json', rows(8, 'Name'));
  write(
    dir,
    'talk.json',
    ANIMALS.slice(0, 6).map((animal) => ({
      conversations: [
        { from: 'human', value: `A ${animal}?` },
        { from: 'gpt', value: `Yes, a ${animal}.` },
        { from: 'human', value: 'Sure?' },
        { from: 'gpt', value: 'Sure.' },
      ],
    })),
  );
  write(
    dir,
    'story.json',
    Array.from({ length: 12 }, (_, i) => ({ text: `Once a ${ANIMALS[i % 8]} met ${i} more. `.repeat(3) })),
  );
  write(dir, 'dataset_info.json', {
    tiny: { file_name: 'tiny.json' },
    more: { file_name: 'more.json' },
    talk: { file_name: 'talk.json', formatting: 'sharegpt' },
    story: { file_name: 'story.json', columns: { prompt: 'text' } },
  });
}

function write(dir: string, name: string, value: unknown): void {
  writeFileSync(join(dir, name), `${JSON.stringify(value, null, 2)}\n`);
}
