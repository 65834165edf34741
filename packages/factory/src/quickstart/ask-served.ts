// In: a GGUF file and a question. Out: the answer that `tunesmith serve` gives over HTTP, started as a user would start it, on a free
// port of this machine; it is stopped before this returns.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FactoryError } from '#factory/errors.ts';

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const READY_MS = 60_000;
/** Larger than any answer of one word, so that a model that goes on is cut. */
const MAX_TOKENS = 24;

export interface ServedAnswer {
  model: string;
  text: string;
  /** From asking to the whole answer. */
  ms: number;
}

export async function askServed(
  ggufPath: string,
  question: string,
  deps: { env: Readonly<Record<string, string | undefined>>; signal: AbortSignal },
): Promise<ServedAnswer> {
  const words = [MAIN, 'serve', ggufPath, '--port', '0', '--access_log', 'off', '--json'];
  const child = spawn(process.execPath, words, { env: { ...deps.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill('SIGTERM');
  deps.signal.addEventListener('abort', stop, { once: true });
  try {
    const { url, models } = await readyLine(child);
    const [{ id }] = models;
    const asked = performance.now();
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(requestOf(id, question)),
      signal: deps.signal,
    });
    const body = (await response.json()) as { choices?: { message: { content: string } }[] };
    const text = body.choices?.[0]?.message.content;
    if (text === undefined) throw failed(`status ${response.status}: ${JSON.stringify(body).slice(0, 200)}`);
    return { model: id, text: text.trim(), ms: Math.round(performance.now() - asked) };
  } finally {
    deps.signal.removeEventListener('abort', stop);
    stop();
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
  }
}

/** As the printed `curl` sends it. */
export function requestOf(model: string, question: string) {
  return { model, messages: [{ role: 'user', content: question }], max_tokens: MAX_TOKENS, temperature: 0 };
}

function readyLine(child: ChildProcess): Promise<{ url: string; models: { id: string }[] }> {
  return new Promise((resolve, reject) => {
    let out = '';
    let err = '';
    const late = setTimeout(() => reject(failed(`not ready after ${READY_MS / 1000} s`)), READY_MS);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      const line = out.split('\n').find((one) => one.includes('"ready"'));
      if (line === undefined || !out.endsWith('\n')) return;
      clearTimeout(late);
      resolve(JSON.parse(line));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(late);
      reject(failed(err.trim().slice(-400) || 'the server ended before it was ready'));
    });
  });
}

function failed(found: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ENGINE',
    message: `tunesmith serve: expected an answer, found ${found}`,
    remedy: 'Start "tunesmith serve" on the printed file by hand, and read what it says.',
  });
}
