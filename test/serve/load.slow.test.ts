// A thousand requests of all kinds, 16 at a time, while clients go away, bodies are too large or no JSON, the engine is killed and
// an adapter is swapped: every answer is right, every failure has OpenAI's shape, and nothing is left behind.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openServedModel, type ServedBase } from '../../packages/factory/src/pipeline/open-served-model.ts';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { writeTinyGguf, writeTinyLora } from '../../packages/factory/src/serve/llama/fixtures/tiny-gguf.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { tinyEntry } from './tiny-entry.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 240_000 });

const REQUESTS = 1000;
const CONCURRENT = 16;
const PROMPTS = ['Once', 'upon a time', 'there was', 'a small model'];
const dir = mkdtempSync(join(tmpdir(), 'tunesmith-load-'));
let base: ServedBase;
let gateway: Gateway;
const adapterPath = (seed: string) => writeTinyLora(join(dir, `${seed}.gguf`), seed);

beforeAll(async () => {
  const path = writeTinyGguf(join(dir, 'tiny.gguf'));
  const adapter = { id: 'tuned', path: adapterPath('a'), scale: 1 };
  base = await openServedModel(tinyEntry(path, [adapter]), { env: {}, note: () => {} });
  // Starting the engine again may take long on a busy machine.
  const settings = { requestTimeoutMs: 240_000, queueTimeoutMs: 240_000 };
  gateway = await openGateway(
    base.models.map(({ model }) => model),
    { settings },
  );
});
afterAll(async () => {
  await gateway.server.stop();
  await gateway.models.close();
  rmSync(dir, { recursive: true, force: true });
});

function bodyOf(model: string, prompt: string, stream: boolean): string {
  const limits = { temperature: 0, max_tokens: 12, logit_bias: { 0: -100, 1: -100, 2: -100 } };
  return JSON.stringify({ model, prompt, ...limits, stream });
}

function post(body: string, signal?: AbortSignal): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${gateway.url}/v1/completions`, { method: 'POST', headers, body, signal });
}

interface Got {
  status: number;
  text: string;
  error: { message: string; type: string; code: string | null; param: string | null } | null;
}

async function ask(model: string, prompt: string, stream: boolean): Promise<Got> {
  const response = await post(bodyOf(model, prompt, stream));
  const raw = await response.text();
  if (!stream || response.status !== 200) {
    const body = JSON.parse(raw);
    return { status: response.status, text: body.choices?.[0].text ?? '', error: body.error ?? null };
  }
  const events = raw
    .trim()
    .split('\n\n')
    .map((line) => line.slice('data: '.length));
  const chunks = events.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one));
  const error = chunks.find((one) => one.error)?.error ?? null;
  // A stream ends with one or the other.
  expect(error === null).toBe(events.at(-1) === '[DONE]');
  return { status: 200, text: chunks.map((one) => one.choices?.[0].text ?? '').join(''), error };
}

async function answers(model: string): Promise<string[]> {
  const texts: string[] = [];
  for (const prompt of PROMPTS) texts.push((await ask(model, prompt, false)).text);
  return texts;
}

test('a thousand requests with faults', async () => {
  const expected: Record<string, string[][]> = {
    tiny: [await answers('tiny')],
    tuned: [await answers('tuned')],
  };
  const other = await base.addAdapter('b', adapterPath('b'), 1);
  void gateway.models.put('b', other.model);
  expected.tuned.push(await answers('b'));
  await gateway.models.remove('b');
  expect(expected.tuned[0]).not.toEqual(expected.tuned[1]);

  const random = seededRandom('load');
  const counts = { right: 0, gone: 0, refused: 0, engine: 0, swaps: 0, kills: 0 };
  const memory: number[] = [];
  /** Which of the two adapters new requests must get; both while a swap is made. */
  let current = [0];

  async function one(number: number): Promise<void> {
    const kind = random.next();
    const model = random.next() < 0.5 ? 'tiny' : 'tuned';
    const at = Math.floor(random.next() * PROMPTS.length);
    const stream = random.next() < 0.5;
    if (kind < 0.1) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), random.next() * 60);
      await post(bodyOf(model, PROMPTS[at], stream), controller.signal)
        .then((response) => response.text())
        .catch(() => '');
      counts.gone++;
      return;
    }
    if (kind < 0.2) {
      const [body, status] =
        kind < 0.15 ? [JSON.stringify({ a: 'x'.repeat(300_000) }), 413] : ['{"model": "tiny", ', 400];
      // A server may close before it has read a body that is too large.
      const response = await post(body).catch(() => null);
      if (response !== null) {
        expect(response.status).toBe(status);
        expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
      }
      counts.refused++;
      return;
    }
    const allowed = new Set(model === 'tiny' ? [0] : current);
    const got = await ask(model, PROMPTS[at], stream);
    if (got.error !== null) {
      expect(got.error, String(number)).toMatchObject({ type: 'server_error', code: 'engine_restarting' });
      expect([200, 503]).toContain(got.status);
      counts.engine++;
      return;
    }
    if (model === 'tuned') for (const which of current) allowed.add(which);
    const right = [...allowed].map((which) => expected[model][which][at]);
    expect(right, `request ${number} to ${model}`).toContain(got.text);
    counts.right++;
  }

  let next = 0;
  async function worker(): Promise<void> {
    for (let number = next++; number < REQUESTS; number = next++) {
      if (number === 300 || number === 700) {
        counts.kills++;
        process.kill(base.engine.pid as number, 'SIGKILL');
      }
      if (number % 200 === 150) {
        const to = 1 - current[0];
        current = [0, 1];
        const adapter = await base.addAdapter('tuned', adapterPath(to === 0 ? 'a' : 'b'), 1);
        await gateway.models.put('tuned', adapter.model);
        current = [to];
        counts.swaps++;
      }
      if (number % 100 === 99) memory.push(process.memoryUsage().rss / 1e6);
      await one(number);
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, worker));

  expect(counts).toMatchObject({ swaps: 5, kills: 2 });
  expect(base.engine.restarts).toBe(2);
  expect(counts.right).toBeGreaterThan(0.7 * REQUESTS);
  expect(counts.engine).toBeLessThanOrEqual(4 * CONCURRENT);
  // After the first hundreds have warmed everything up, memory stays where it is.
  expect(Math.max(...memory.slice(5)) - Math.max(...memory.slice(0, 5)), memory.join(' ')).toBeLessThan(60);
  expect(gateway.models.list().map(({ leases }) => leases)).toEqual([0, 0]);
  await expect.poll(() => base.engine.waiting).toBe(0);
  expect(await answers('tiny')).toEqual(expected.tiny[0]);
  expect(await answers('tuned')).toEqual(expected.tuned[current[0]]);
  process.stderr.write(`${JSON.stringify({ ...counts, rss_mb: memory.map(Math.round) })}\n`);
});
