// In: a GGUF file, a type and where to write. Out: the file, written by llama.cpp in a child process, and which blocks each
// tensor got; or a typed error with its last words. Names of files, space and sums are left to the caller.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { FactoryError } from '#factory/errors.ts';
import type { LlamaLibrary } from './llama-library.ts';
import type { QuantType } from './types.ts';

/** What the child gets. */
export interface QuantiserJob {
  library: string;
  input: string;
  output: string;
  ftype: number;
  title: string;
  threads: number;
  allowRequantize: boolean;
  /** Chooses types and writes nothing. */
  isDry: boolean;
  bufferBytes: number;
}

/** What the child says, one JSON line each. Levels are ggml's. */
export type WorkerLine =
  | { kind: 'log'; level: number; text: string }
  | { kind: 'layout'; found: string }
  | { kind: 'end'; status: number };

export interface Fallback {
  tensor: string;
  /** Values in a row, which are no multiple of the block that was wanted. */
  columns: number;
  wanted: string;
  used: string;
}

export interface Quantised {
  /** ggml's name of the type of every tensor. */
  types: Map<string, string>;
  fallbacks: Fallback[];
}

export interface QuantiserOptions {
  library: LlamaLibrary;
  input: string;
  output: string;
  type: QuantType;
  allowRequantize: boolean;
  isDry: boolean;
  threads: number;
}

export interface QuantiserDeps {
  env: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
  /** A tensor is begun; `at` counts from 1. */
  onTensor?: (name: string, at: number, total: number) => void;
}

/** llama.cpp holds the rows of one tensor up to this many bytes; the result does not depend on it. */
const BUFFER_BYTES = 2 ** 28;
const ERROR_LEVEL = 4;
/** Of what a child that crashed has said. */
const LAST_WORDS = 2_000;

const TENSOR = /^\[ *(\d+)\/ *(\d+)\] (\S+) +- \[.*\], type = +(\S+), *(?:converting to (\S+)|.*\((\w+)\)$)?/;
const FALLBACK =
  /^warning: (\S+) +- ncols +(\d+) not divisible by +\d+ \(required for type +(\S+)\).*-> falling back to +(\S+)/;

export async function runQuantiser(options: QuantiserOptions, deps: QuantiserDeps): Promise<Quantised> {
  const { library, input, output, type, allowRequantize, isDry, threads } = options;
  const job: QuantiserJob = {
    library: library.path,
    input,
    output,
    ftype: type.ftype,
    title: type.title,
    threads,
    allowRequantize,
    isDry,
    bufferBytes: BUFFER_BYTES,
  };
  deps.signal?.throwIfAborted();
  const log = new LlamaLog(deps.onTensor);
  const { line, ending, errors } = await runChild(job, log, deps);
  if (deps.signal?.aborted) throw interrupted(input);
  if (line?.kind === 'end' && line.status === 0) return log.result();
  if (line?.kind === 'layout') throw otherLayout(library, line.found);
  const words = [...log.errors, ...errors].join('').trim().slice(-LAST_WORDS);
  if (line) throw refused(options, log.tensor, words);
  throw crashed(options, ending, log.tensor, words);
}

async function runChild(job: QuantiserJob, log: LlamaLog, { env, signal }: QuantiserDeps) {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = spawn(process.execPath, [worker, JSON.stringify(job)], {
    // ggml's own backtrace starts a debugger where there is one.
    env: { ...env, GGML_NO_BACKTRACE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  let last: Exclude<WorkerLine, { kind: 'log' }> | null = null;
  const ended = new Promise<string>((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (status, by) => done(by ?? `status ${status}`));
  });
  for await (const text of createInterface({ input: child.stdout })) {
    if (!text.startsWith('{')) {
      errors.push(`${text}\n`);
      continue;
    }
    const line = JSON.parse(text) as WorkerLine;
    if (line.kind === 'log') log.add(line.level, line.text);
    else last = line;
  }
  const ending = await ended;
  signal?.removeEventListener('abort', stop);
  return { line: last, ending, errors };
}

/** Pieces of text as llama.cpp logs them; a line may come in several. */
class LlamaLog {
  readonly #types = new Map<string, string>();
  readonly #fallbacks: Fallback[] = [];
  readonly #onTensor: QuantiserDeps['onTensor'];
  #line = '';
  /** The one that was begun last. */
  tensor: string | null = null;
  readonly errors: string[] = [];

  constructor(onTensor: QuantiserDeps['onTensor']) {
    this.#onTensor = onTensor;
  }

  add(level: number, text: string): void {
    if (level === ERROR_LEVEL) this.errors.push(text);
    this.#line += text;
    const begun = TENSOR.exec(this.#line);
    if (begun && begun[3] !== this.tensor) {
      this.tensor = begun[3];
      this.#onTensor?.(begun[3], Number(begun[1]), Number(begun[2]));
    }
    const lines = this.#line.split('\n');
    this.#line = lines.pop() as string;
    for (const line of lines) this.#read(line);
  }

  #read(line: string): void {
    const [, , , name, from, to, dryTo] = TENSOR.exec(line) ?? [];
    if (name) this.#types.set(name, to ?? dryTo ?? from);
    const [, tensor, columns, wanted, used] = FALLBACK.exec(line) ?? [];
    if (tensor) this.#fallbacks.push({ tensor, columns: Number(columns), wanted, used });
  }

  result(): Quantised {
    return { types: this.#types, fallbacks: this.#fallbacks };
  }
}

function interrupted(input: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_INTERRUPTED',
    message: `quantising ${input} was stopped before its end; nothing was kept`,
    remedy: 'Give the same command again.',
  });
}

function otherLayout({ path, release }: LlamaLibrary, found: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_NO_LLAMA',
    message: `${path} (llama.cpp ${release}): expected the parameters of llama_model_quantize as in v0.5.0, found that ${found}`,
    remedy: 'Install the version of node-llama-cpp that package-lock.json names, with "npm ci".',
    details: { path, release, found },
  });
}

function refused({ input, type }: QuantiserOptions, tensor: string | null, words: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_QUANTISE_REFUSED',
    message: `${input}: llama.cpp does not quantise it to ${type.name}${at(tensor)}: ${words || 'it gives no reason'}`,
    remedy:
      'Check that the file is a whole model that llama.cpp knows, without infinite values, or export it again.',
    details: { input, type: type.name, tensor },
  });
}

function crashed(
  { input, type }: QuantiserOptions,
  ending: string,
  tensor: string | null,
  words: string,
): FactoryError {
  return new FactoryError({
    code: 'EXPORT_QUANTISE_CRASHED',
    message: `${input}: the process that quantises it to ${type.name} ended with ${ending}${at(tensor)}; its last words: ${words || 'none'}`,
    remedy: 'Check that the file is whole and that memory is free, then give the same command again.',
    details: { input, type: type.name, ending, tensor },
  });
}

const at = (tensor: string | null) => (tensor === null ? '' : ` at tensor ${tensor}`);
