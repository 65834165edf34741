// Rows of the preference stages: which become pairs and rated answers, and why others do not.
import { expect, test } from 'vitest';
import type { Stage } from '#factory/records/train-args.ts';
import { convertRow } from './convert.ts';
import { COLUMN_KEYS, type ColumnMap, type DatasetEntry, DEFAULT_TAGS } from './dataset-info.ts';

function entryOf(
  formatting: 'alpaca' | 'sharegpt',
  columns: Partial<ColumnMap>,
  ranking: boolean,
): DatasetEntry {
  const all = Object.fromEntries(COLUMN_KEYS.map((key) => [key, columns[key] ?? null])) as ColumnMap;
  return {
    ...{ name: 'd', path: 'd.json', formatting, ranking, tags: DEFAULT_TAGS[formatting] },
    ...{ split: null, numSamples: null, columns: all, columnsNamed: true },
  };
}
const pair = { chosen: 'chosen', rejected: 'rejected' };
const pairs = entryOf('alpaca', { prompt: 'q', ...pair }, true);
const rated = entryOf('alpaca', { prompt: 'q', response: 'a', kto_tag: 'ok' }, false);
const source = { dataset: 'd', file: 'd.json', row: 0 };
const convert = (row: Record<string, unknown>, entry: DatasetEntry, stage: Stage) => {
  const { example, issues } = convertRow(row, entry, stage, source);
  return example
    ? example.response.map(({ content }) => content)
    : issues.map(({ reason, field }) => `${reason} ${field}`);
};

test.each<[string, Record<string, unknown>, DatasetEntry, Stage, string[]]>([
  ['a pair', { q: 'Hi', chosen: 'a', rejected: 'b' }, pairs, 'dpo', ['a', 'b']],
  ['a pair for a reward model', { q: 'Hi', chosen: 'a', rejected: 'b' }, pairs, 'rm', ['a', 'b']],
  ['a rejected answer may be empty', { q: 'Hi', chosen: 'a', rejected: '' }, pairs, 'dpo', ['a', '']],
  ['a chosen one may not', { q: 'Hi', chosen: ' ', rejected: 'b' }, pairs, 'dpo', ['empty_answer chosen']],
  ['half a pair', { q: 'Hi', chosen: 'a', rejected: null }, pairs, 'dpo', ['pair_needed chosen']],
  ['an empty prompt', { q: '', chosen: 'a', rejected: 'b' }, pairs, 'dpo', ['empty_prompt q']],
  ['a good answer', { q: 'Hi', a: 'yes', ok: true }, rated, 'kto', ['yes', '']],
  ['a bad answer', { q: 'Hi', a: 'no', ok: false }, rated, 'kto', ['', 'no']],
  ['an empty rated answer', { q: 'Hi', a: '', ok: true }, rated, 'kto', ['empty_answer a']],
  ['a label that is no boolean', { q: 'Hi', a: 'yes', ok: 'true' }, rated, 'kto', ['label_needed ok']],
  ['a rated answer in stage sft', { q: 'Hi', a: 'yes', ok: true }, rated, 'sft', ['stage_kto_needed ok']],
])('%s', (_name, row, entry, stage, expected) => {
  const shown = convert(row, entry, stage).map((text) => text.replace('chosen chosen', 'chosen'));
  expect(shown).toEqual(expected);
});

test('a conversation keeps its last answers apart from the prompt', () => {
  const say = (...turns: [string, string][]) => turns.map(([from, value]) => ({ from, value }));
  const talks = entryOf('sharegpt', { messages: 'm', ...pair }, true);
  const row = {
    m: say(['human', 'h1'], ['gpt', 'g1'], ['human', 'h2']),
    chosen: { from: 'gpt', value: 'a' },
    rejected: { from: 'gpt', value: 'b' },
  };
  expect(convertRow(row, talks, 'dpo', source).example).toMatchObject({
    prompt: [{ content: 'h1' }, { content: 'g1' }, { content: 'h2' }],
    response: [
      { role: 'assistant', content: 'a' },
      { role: 'assistant', content: 'b' },
    ],
  });
});
