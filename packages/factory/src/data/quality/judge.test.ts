import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { readScore } from './judge-client.ts';
import { judgeStep } from './judge-step.ts';

/** Scores by the first digit of the answer; the second request is refused once, as busy servers do. */
let server: Server;
let requests = 0;
const folder = mkdtempSync(join(tmpdir(), 'judge-'));

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += String(part);
    });
    request.on('end', () => {
      requests++;
      if (request.headers.authorization !== 'Bearer k') return response.writeHead(401).end('no key');
      if (requests === 2) return response.writeHead(503).end('busy');
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      const digit = /\[Answer\]\n(\d)/.exec(messages[1]!.content)?.[1] ?? '';
      const content = digit === '' ? 'I cannot say.' : `{"reason": "as told", "score": ${digit}}`;
      response.end(
        JSON.stringify({
          choices: [{ message: { content } }],
          usage: { prompt_tokens: 100, completion_tokens: 10 },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const row = (answer: string): CleanRow => ({
  ...{ kind: 'sft', system: '', tools: '', extra: {} },
  prompt: [{ role: 'user', content: 'q' }],
  response: [{ role: 'assistant', content: answer }],
});

it('scores rows, keeps answers, counts the cost, and names what is wrong', async () => {
  const answers = ['5 good', '2 bad', 'nothing', '4 fine'];
  const rows = { count: answers.length, row: (i: number) => row(answers[i]!), id: () => '' };
  const context = {
    ...{ signal: new AbortController().signal, seed: 1, fetch, cacheFolder: folder, env: { K: 'k' } },
    progress: async () => {},
  };
  const options = {
    base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    ...{ model: 'm', api_key_env: 'K', concurrency: 2, input_price: 2, output_price: 10, min_score: 3 },
  };
  const found = await judgeStep.run(rows, options, context);
  expect([...found.scores.score!]).toEqual([5, 2, Number.NaN, 4]);
  expect(found.scores.cost![0]).toBeCloseTo(300e-6, 12);
  const alive = new Uint8Array(4).fill(1);
  expect([...judgeStep.decide(found, options, alive)].map((one) => [one.row, one.reason])).toEqual([
    [1, 'judged_low'],
    [2, 'not_judged'],
  ]);
  expect(requests).toBe(5);

  const again = await judgeStep.run(rows, options, context);
  expect(again.scores.score).toEqual(found.scores.score);
  expect(requests).toBe(5);

  await expect(
    judgeStep.run(rows, { ...options, model: 'n', api_key_env: 'NONE' }, context),
  ).rejects.toMatchObject({
    code: 'DATA_ENDPOINT',
    message: expect.stringContaining('status 401'),
  });
});

it('reads a score, or none', () => {
  expect(readScore('{"score": 3}').score).toBe(3);
  expect(readScore('Well {"a": 1}. ```json\n{"reason": "r", "score": "4"}\n```')).toEqual({
    score: 4,
    reason: 'r',
  });
  for (const text of ['', '3', '{"score": 6}', '{"score": 2.5}', '{"score": null}', '{'])
    expect(readScore(text).score, text).toBeNaN();
});
