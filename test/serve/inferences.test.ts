// `tunesmith inferences` on a log as a server writes it: tables, single requests, and rows that training takes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inferences } from '../../packages/factory/src/cli/commands/inferences.ts';
import { loadDatasets } from '../../packages/factory/src/data/load-datasets.ts';
import { openInferenceSink } from '../../packages/factory/src/pipeline/open-inference-log.ts';
import type { InferenceTexts } from '../../packages/factory/src/records/inference.ts';
import { logEntry } from './log-entry.ts';

let dir: string;
let file: string;

const texts = (question: string, ...answers: unknown[]): InferenceTexts => ({
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: question },
  ],
  tools: [],
  answers,
});
const said = (content: string) => ({ role: 'assistant', content });
const call = {
  role: 'assistant',
  content: '',
  tool_calls: [{ id: 'c', type: 'function', function: { name: 'clock', arguments: '{"zone": "UTC"}' } }],
};
const tools = [
  { type: 'function', function: { name: 'clock', parameters: { type: 'object', properties: {} } } },
];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-inferences-'));
  file = join(dir, 'log.sqlite');
  const sink = openInferenceSink({ path: file, level: 'full', retentionDays: null, redact: true }, () => {});
  sink.record(logEntry(1, { texts: texts('One?', said('1')) }));
  sink.record(logEntry(2, { texts: texts('Two?', said('2'), said('two')), choices: 2 }));
  sink.record(logEntry(3, { texts: texts('Long?', said('It is')), finish: 'length' }));
  sink.record(logEntry(4, { errorCode: 'SERVE_BUSY', status: 429, finish: null, texts: texts('Busy?') }));
  sink.record(logEntry(5, { texts: null }));
  sink.record(logEntry(6, { kind: 'text', texts: texts('plain', said('text')) }));
  sink.record(
    logEntry(7, { texts: { ...texts('Time?', call), tools }, finish: 'tool_calls', model: 'other' }),
  );
  await sink.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function run(...words: string[]) {
  let out = '';
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: () => {},
    outIsTty: false,
    errIsTty: false,
    columns: 100,
  };
  const json = words.includes('--json');
  const status = await inferences({
    words: [...words.filter((word) => word !== '--json'), '--log_file', file],
    json,
    terminal,
    env: {},
  });
  expect(status).toBe(0);
  return out;
}

test('lists, and filters', async () => {
  const lines = (await run('list')).trim().split('\n');
  expect(lines).toHaveLength(8);
  expect(lines[1]).toMatch(/^7 +2023-11-14 22:13:20 +other +200 +tool_calls +10 +7 +12\.3 +80\.0$/);
  const ids = async (...words: string[]) =>
    (JSON.parse(await run('list', '--json', ...words)) as { id: number }[]).map(({ id }) => id);
  expect(await ids('--limit', '2')).toEqual([7, 6]);
  expect(await ids('--failed', 'true')).toEqual([4]);
  expect(await ids('--model', 'other')).toEqual([7]);
  expect(await ids('--since', '1h')).toEqual([]);
  expect(await ids('--since', '2023-11-14', '--until', '2023-11-15')).toHaveLength(7);
});

test('shows one', async () => {
  const text = await run('show', 'req_2');
  expect(text).toContain('requestId: req_2');
  expect(text).toContain('{"role":"assistant","content":"two"}');
  await expect(run('show', 'nobody')).rejects.toMatchObject({ code: 'DATA_UNKNOWN_ROW' });
});

test('exports rows that training reads, and says what it leaves out', async () => {
  const rows = join(dir, 'rows.jsonl');
  expect(JSON.parse(await run('export', rows, '--json'))).toEqual({
    rows: 4,
    leftOut: {
      'the answer was cut (--cut true takes them)': 1,
      'the texts were not kept (serve with --log full)': 1,
      'no conversation': 1,
    },
  });
  const { train, issues } = await loadDatasets({
    dataset: [rows],
    eval_dataset: [],
    dataset_dir: dir,
    mix_strategy: 'concat',
    interleave_probs: null,
    max_samples: null,
    val_size: 0,
    max_dropped_fraction: 0,
    sealed_test: null,
    stage: 'sft',
    seed: 1,
  });
  expect(issues.filter(({ kind }) => kind === 'dropped')).toEqual([]);
  expect(train.map(({ prompt, response }) => [prompt[0]!.content, response[0]!.content])).toEqual([
    ['One?', '1'],
    ['Two?', '2'],
    ['Two?', 'two'],
    ['Time?', '[{"name":"clock","arguments":{"zone":"UTC"}}]'],
  ]);
  expect(train[3]!.tools).toContain('clock');
  await run('export', rows, '--cut', 'true', '--model', 'tiny');
  expect(readFileSync(rows, 'utf8').trim().split('\n')).toHaveLength(4);
});

test.each([
  [[], 'CLI_USAGE'],
  [['lits'], 'CLI_USAGE'],
  [['show'], 'CLI_USAGE'],
  [['list', '--since', 'yesterday'], 'ARGS_BAD_VALUE'],
  [['list', '--modle', 'x'], 'ARGS_UNKNOWN_KEY'],
])('%j is refused', async (words, code) => {
  await expect(run(...words)).rejects.toMatchObject({ code });
});
