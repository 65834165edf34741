// `tunesmith eval judge` against a server that speaks the OpenAI shape: both orders, position bias, failures, retries, the
// cache, and replay without the server.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { plantedRows, plantedSide } from '#factory/eval/compare/planted-sides.ts';
import { openPredictions, writeEvaluation, writeScorecard } from '#factory/store/evaluation-files.ts';
import { evaluate } from '../commands/eval.ts';

const root = mkdtempSync(join(tmpdir(), 'judge-'));
const at = (name: string) => join(root, name);
const ROWS = 12;

interface Asked {
  question: string;
  first: string;
  second: string;
  key: string | undefined;
}
let asked: Asked[] = [];
/** What the judge says; null is an error of the server. */
let says: (asked: Asked) => string | null = () => null;
let server: Server;
let url = '';

async function plant(name: string, answer: (i: number) => string): Promise<void> {
  const rows = plantedRows(
    Array.from({ length: ROWS }, () => true),
    (i) => ({ prediction: answer(i) }),
  );
  const side = plantedSide(name, rows);
  await writeEvaluation(at(name), side.record);
  const file = await openPredictions(at(name), () => true);
  file.append(rows.map((row) => ({ ...row, promptTokens: 5, newTokens: 1 })));
  file.close();
  await writeScorecard(at(name), side.scorecard, []);
}

beforeAll(async () => {
  await plant('base', () => 'short');
  await plant('tuned', (i) => (i < 9 ? `good answer ${i}` : 'poor'));
  writeFileSync(
    at('pairs.yaml'),
    'name: helpful\nversion: 1\nkind: pairwise\ncriteria: helps the customer\n',
  );
  writeFileSync(at('score.yaml'), 'name: helpful\nversion: 1\nkind: score\ncriteria: helps\nscale: [1, 3]\n');
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: string }[] };
      const text = body.messages.at(-1)!.content;
      const part = (title: string) =>
        new RegExp(`<<<${title}\n(.*?)\n${title}>>>`, 's').exec(text)?.[1] ?? '';
      const one = {
        question: part('QUESTION'),
        first: part('FIRST ANSWER') || part('ANSWER'),
        second: part('SECOND ANSWER'),
        key: request.headers.authorization,
      };
      asked.push(one);
      const content = says(one);
      response.writeHead(content === null ? 503 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(
          content === null
            ? { error: { message: 'busy' } }
            : { choices: [{ message: { content } }], usage: { prompt_tokens: 100, completion_tokens: 10 } },
        ),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  asked = [];
});

async function judge(words: string[], env: Record<string, string> = {}) {
  let out = '';
  const status = await evaluate({
    words: ['judge', ...words, '--model', 'judge-1', '--resamples', '200'],
    json: true,
    env,
    terminal: {
      out: (text: string) => {
        out += text;
      },
      err: () => {},
    } as never,
  });
  return { status, report: JSON.parse(out) };
}

const fair = ({ first, second }: Asked): string => {
  const [a, b] = [first, second].map((text) => text.startsWith('good'));
  return JSON.stringify({ reason: 'r', winner: a === b ? 'tie' : a ? 'first' : 'second' });
};

describe('a pairwise rubric', () => {
  it('asks both orders, and replays from the cache without the server', async () => {
    says = fair;
    const words = [at('pairs.yaml'), at('base'), at('tuned'), '--output_dir', at('fair')];
    const online = [...words, '--endpoint', url, '--price_prompt', '1', '--price_new', '2'];
    const { status, report } = await judge(online, { OPENAI_API_KEY: 'secret' });
    expect(status).toBe(0);
    expect(report).toMatchObject({ rows: ROWS, failed: 0, warnings: ['no_labels'] });
    expect(report.pairs).toMatchObject({ wins: 9, ties: 3, losses: 0, consistency: { value: 1 } });
    expect(report.pairs.winRate.value).toBeCloseTo(10.5 / 12, 12);
    expect(report.cost).toMatchObject({ requests: 24, promptTokens: 2400, newTokens: 240 });
    expect(asked.every(({ key }) => key === 'Bearer secret')).toBe(true);
    // Three rows have the same answers, but not the same question.
    expect(report.cost.price).toBeCloseTo((2400 + 2 * 240) / 1e6, 12);
    const before = asked.length;

    const replay = await judge([...words, '--offline']);
    expect(asked).toHaveLength(before);
    expect(replay.report.pairs).toEqual(report.pairs);
    expect(replay.report.cost).toMatchObject({ requests: 24, cached: 24 });
    const lines = readFileSync(join(at('fair'), 'judgements.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(JSON.parse(lines[0])).toEqual({
      row: 'r0',
      games: ['candidate', 'candidate'],
      winner: 'candidate',
      reasons: ['r', 'r'],
    });
    expect(readFileSync(join(at('fair'), 'cache.jsonl'), 'utf8')).not.toContain('secret');
  });

  it('finds a judge that looks at the order unfit', async () => {
    says = () => '{"winner": "first", "reason": "it came first"}';
    const { report } = await judge([
      at('pairs.yaml'),
      at('base'),
      at('tuned'),
      '--output_dir',
      at('biased'),
      '--endpoint',
      url,
    ]);
    expect(report.pairs).toMatchObject({
      wins: 0,
      ties: 12,
      losses: 0,
      consistency: { value: 0 },
      decided: null,
    });
    expect(report.warnings).toContain('inconsistent_judge');
  });

  it('counts rows whose answer cannot be read, and tries again where the server is busy', async () => {
    let busy = 2;
    says = (one) => {
      if (busy-- > 0) return null;
      return one.question === 'question 4' ? 'I would rather not say.' : fair(one);
    };
    const { report } = await judge([
      at('pairs.yaml'),
      at('base'),
      at('tuned'),
      '--output_dir',
      at('busy'),
      '--endpoint',
      url,
    ]);
    expect(report).toMatchObject({ failed: 1, pairs: { wins: 8, ties: 3 } });
    expect(asked).toHaveLength(26);
  });

  it('stops where the judge is down', async () => {
    says = () => null;
    const words = [
      at('pairs.yaml'),
      at('base'),
      at('tuned'),
      '--output_dir',
      at('down'),
      '--endpoint',
      url,
      '--retries',
      '0',
    ];
    await expect(judge(words)).rejects.toMatchObject({ code: 'EVAL_ENDPOINT' });
    await expect(judge([...words, '--offline'])).rejects.toMatchObject({ code: 'EVAL_NOT_CACHED' });
  });
});

describe('a score', () => {
  it('of two evaluations has means, a paired difference, and agreement with people', async () => {
    says = ({ first }) =>
      `Well.\n{"score": ${first.startsWith('good') ? 3 : first === 'poor' ? 1 : 2}, "reason": "r"}`;
    writeFileSync(
      at('people.jsonl'),
      Array.from({ length: ROWS }, (_, i) => JSON.stringify({ id: `r${i}`, label: i < 8 ? 3 : 1 })).join(
        '\n',
      ),
    );
    const { report } = await judge([
      at('score.yaml'),
      at('base'),
      at('tuned'),
      ...['--output_dir', at('scores'), '--endpoint', url, '--labels', at('people.jsonl')],
    ]);
    expect(report.scores).toMatchObject({
      base: { value: 2 },
      candidate: { value: 2.5 },
      difference: { delta: { value: 0.5, test: 'sign-flip' } },
    });
    expect(report.agreement).toMatchObject({ weights: 'quadratic', same: { value: 11 / 12 } });
    expect(report.agreement.kappa.value).toBeGreaterThan(0.7);
    expect(report.warnings).toEqual(['few_labels']);
  });
});

it('refuses what it cannot use, by code', async () => {
  const code = (...words: string[]) =>
    judge(words).then(
      () => null,
      (error: { code: string }) => error.code,
    );
  writeFileSync(at('bad.jsonl'), '{"id": "r0", "label": "both"}\n');
  expect(await code(at('pairs.yaml'), at('base'), '--endpoint', url)).toBe('ARGS_MISSING');
  expect(await code(at('pairs.yaml'), at('base'), at('tuned'))).toBe('ARGS_MISSING');
  expect(await code(at('none.yaml'), at('base'), '--endpoint', url)).toBe('EVAL_BAD_RUBRIC');
  expect(
    await code(at('pairs.yaml'), at('base'), at('tuned'), '--endpoint', url, '--labels', at('bad.jsonl')),
  ).toBe('EVAL_BAD_LABELS');
});
