// In: the settings of an engine. Out: a child process that holds the model, started again with growing pauses when it dies. What it
// tells is passed on; which questions it was answering is known to `../llama-engine.ts` only.
import { type ChildProcess, fork } from 'node:child_process';
import { FactoryError } from '#factory/errors.ts';
import type {
  FromEngine,
  KeyedAdapter,
  LlamaFacts,
  LlamaSettings,
  SentFailure,
  ToEngine,
} from './messages.ts';

/** Milliseconds before the first, second … start after a crash; the last holds for all that follow. */
const PAUSES = [100, 500, 2_000, 5_000, 15_000, 30_000];
/** A process that lived this long had no part in the crash of the one before. */
const HEALTHY_MS = 60_000;
/** Milliseconds that a process gets to end. */
const LAST_WAIT = 5_000;

export interface LlamaProcessEvents {
  /** Once for every start that succeeds. */
  up(facts: LlamaFacts): void;
  message(message: Exclude<FromEngine, { kind: 'opened' }>): void;
  /** The process has died, or could not be started again. */
  down(error: FactoryError): void;
  /** Those that a new process has to know. */
  adapters(): KeyedAdapter[];
}

export interface LlamaProcess {
  readonly pid: number | null;
  readonly restarts: number;
  send(message: ToEngine): void;
  close(): Promise<void>;
}

/** Resolves when the model is loaded; rejects when it cannot be. */
export async function startLlama(settings: LlamaSettings, events: LlamaProcessEvents): Promise<LlamaProcess> {
  let child: ChildProcess | null = null;
  let closed = false;
  let restarts = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | null = null;

  const start = async (): Promise<void> => {
    const began = performance.now();
    const next = spawnLlama();
    child = next;
    const tail = tailOf(next);
    let isUp = false;
    await new Promise<void>((resolve, reject) => {
      next.on('message', (message: FromEngine) => {
        if (message.kind === 'opened') {
          isUp = true;
          events.up(message.facts);
          resolve();
        } else if (message.kind === 'failed' && message.id === null) {
          reject(failureError(message.failure));
          next.kill('SIGKILL');
        } else events.message(message);
      });
      next.once('error', (cause) => reject(died(`could not be started: ${cause.message}`, '')));
      next.once('exit', (code, signal) => {
        if (child === next) child = null;
        const error = died(signal ? `was ended by ${signal}` : `ended with status ${code}`, tail());
        reject(error);
        if (!isUp || closed) return;
        if (performance.now() - began > HEALTHY_MS) failures = 0;
        events.down(error);
        again();
      });
      next.send({ kind: 'open', settings, adapters: events.adapters() } satisfies ToEngine);
    });
  };
  const again = () => {
    if (closed) return;
    const pause = PAUSES[Math.min(failures, PAUSES.length - 1)];
    failures++;
    timer = setTimeout(() => {
      timer = null;
      restarts++;
      start().catch((error) => {
        events.down(error);
        again();
      });
    }, pause);
  };
  await start();
  return {
    get pid() {
      return child?.pid ?? null;
    },
    get restarts() {
      return restarts;
    },
    send(message) {
      child?.send(message);
    },
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      const last = child;
      if (last === null) return;
      const gone = new Promise<void>((resolve) => last.once('exit', () => resolve()));
      last.send({ kind: 'close' } satisfies ToEngine);
      const kill = setTimeout(() => last.kill('SIGKILL'), LAST_WAIT);
      await gone;
      clearTimeout(kill);
    },
  };
}

function spawnLlama(): ChildProcess {
  return fork(new URL('./child.ts', import.meta.url), {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
}

/** The last lines on standard error, where llama.cpp says why it aborts. */
function tailOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-2_000);
  });
  return () => text.trim().split('\n').slice(-3).join(' | ');
}

export function failureError({ code, message, remedy }: SentFailure): FactoryError {
  return new FactoryError({ code, message, remedy });
}

function died(how: string, said: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ENGINE',
    message: `The process of llama.cpp ${how}${said ? `: ${said}` : ''}`,
    remedy: 'Ask again: it is started anew. If it ends again, set fewer `slots` or a smaller `context_size`.',
  });
}
