// `tunesmith serve` and `tunesmith keys` as processes: what they print, whom they let in, and how they end.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { openSmallServer, type SmallServer } from './small-server.ts';

const MAIN = fileURLToPath(new URL('../../packages/factory/src/cli/main.ts', import.meta.url));
// Each of them starts several processes, one after the other.
vi.setConfig({ testTimeout: 180_000 });

let dir: string;
let upstream: SmallServer;
const children: ChildProcess[] = [];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-serve-'));
  upstream = await openSmallServer();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  await upstream.close();
  rmSync(dir, { recursive: true });
});

function run(words: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: dir,
    env: { PATH: process.env.PATH, ...env },
  });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (bytes: Buffer) => {
    said.out += bytes;
  });
  child.stderr.on('data', (bytes: Buffer) => {
    said.err += bytes;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, said, ended };
}

async function serve(words: string[], env: Record<string, string> = {}) {
  const process = run(['serve', '--port', '0', '--json', ...words], env);
  await expect
    .poll(() => process.said.out.includes('\n') || process.child.exitCode !== null, { timeout: 30_000 })
    .toBe(true);
  expect(process.said.err).toBe('');
  const ready = JSON.parse(process.said.out) as {
    url: string;
    models: { id: string }[];
    requiresKeys: boolean;
  };
  return { ...process, ready };
}

const upstreamWords = () => ['--upstream', upstream.url, '--upstream_model', 'small-1', '--id', 'small'];

function ask(url: string, text: string, more: object = {}, token?: string): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: text }], ...more }),
  });
}

test('serves until it is told to stop, and then finishes the stream under way', async () => {
  const { child, ready, said, ended } = await serve([
    ...upstreamWords(),
    '--access_log',
    join(dir, 'access.log'),
  ]);
  expect(ready).toMatchObject({ models: [{ id: 'small' }], requiresKeys: false });
  const stream = await ask(ready.url, '!slow=80 a b c d e f', { stream: true });
  child.kill('SIGINT');
  expect(await stream.text()).toContain('[DONE]');
  expect(await ended).toBe(0);
  expect(said.err).toContain('stopping');
  expect(JSON.parse(readFileSync(join(dir, 'access.log'), 'utf8'))).toMatchObject({
    status: 200,
    model: 'small',
  });
  const log = run(['inferences', 'list', '--json']);
  expect(await log.ended).toBe(0);
  expect(log.said.out).toContain('"model":"small"');
});

test('a second signal ends at once', async () => {
  const { child, ready, ended } = await serve(upstreamWords());
  const stream = await ask(ready.url, `!slow=200 ${'word '.repeat(100)}`, { stream: true });
  const reading = stream.text().catch(() => '');
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(await reading).not.toContain('[DONE]');
});

test('keys open what other machines reach, and nothing opens without them', async () => {
  const refused = run(['serve', ...upstreamWords(), '--host', '0.0.0.0']);
  expect(await refused.ended).toBe(2);
  expect(refused.said.err).toContain('error SERVE_UNSAFE');
  const made = run(['keys', 'create', '--name', 'shop', '--json']);
  expect(await made.ended).toBe(0);
  const { key, id } = JSON.parse(made.said.out) as { key: string; id: string };
  const { ready, said } = await serve([...upstreamWords(), '--host', '0.0.0.0']);
  const url = ready.url.replace('0.0.0.0', '127.0.0.1');
  expect(ready.requiresKeys).toBe(true);
  expect((await ask(url, 'hi')).status).toBe(401);
  expect((await ask(url, 'hi', {}, key)).status).toBe(200);
  const revoked = run(['keys', 'revoke', id]);
  expect(await revoked.ended).toBe(0);
  await expect.poll(async () => (await ask(url, 'hi', {}, key)).status, { timeout: 10_000 }).toBe(401);
  expect(said.err).toContain(`"key_id":"${id}"`);
  expect(said.err + said.out).not.toContain(key);
});

test('a configuration file with a secret of the environment, and a port that is taken', async () => {
  writeFileSync(
    join(dir, 'serve.yaml'),
    `port: 1\nmodels:\n  - {id: small, upstream: "${upstream.url}", model: small-1, api_key_env: BIG_KEY}\n`,
  );
  const missing = run(['serve', 'serve.yaml', '--port', '0']);
  expect(await missing.ended).toBe(2);
  expect(missing.said.err).toContain('BIG_KEY');
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const port = String((taken.address() as AddressInfo).port);
  const refused = run(['serve', 'serve.yaml', '--port', port], { BIG_KEY: 'sk-big' });
  expect(await refused.ended).toBe(3);
  expect(refused.said.err).toContain('error SERVE_PORT');
  taken.close();
  const text = run(['serve', 'serve.yaml', '--port', '0'], {
    BIG_KEY: 'sk-big',
    TUNESMITH_API_KEY: 'a-long-enough-key',
  });
  await expect.poll(() => text.said.out, { timeout: 30_000 }).toContain('stop it:');
  const command = /curl (\S+)/.exec(text.said.out)?.[1] ?? '';
  expect(command).toMatch(/\/v1\/chat\/completions$/);
  const response = await ask(command.replace('/v1/chat/completions', ''), 'hi', {}, 'a-long-enough-key');
  expect(response.status).toBe(200);
  expect(upstream.asked.at(-1)!.authorization).toBe('Bearer sk-big');
});
