import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { assetPath } from '../../../../test/assets.ts';
import { contentHash } from './content-hash.ts';
import { type LoadArgs, loadDatasets } from './load-datasets.ts';
import { reportRows, writeIssues } from './report-rows.ts';

const root = mkdtempSync(join(tmpdir(), 'tunesmith-load-'));
afterAll(() => rmSync(root, { recursive: true }));
const examples = fileURLToPath(new URL('../../../../examples/data', import.meta.url));

function load(args: Partial<LoadArgs>) {
  return loadDatasets({
    ...{ dataset: [], eval_dataset: [], dataset_dir: root, mix_strategy: 'concat', interleave_probs: null },
    ...{
      max_samples: null,
      val_size: 0,
      max_dropped_fraction: 0.1,
      sealed_test: null,
      stage: 'sft',
      seed: 42,
      ...args,
    },
  });
}
async function failure(args: Partial<LoadArgs>): Promise<FactoryError> {
  const error = await load(args).then(
    () => new Error('expected a failure'),
    (e: unknown) => e,
  );
  if (!(error instanceof FactoryError)) throw error;
  expect(error.remedy).toMatch(/\.$/);
  return error;
}
const row = (n: number, more: object = {}) => ({
  instruction: `question ${n}`,
  output: `answer ${n}`,
  ...more,
});
const rows = (n: number) => Array.from({ length: n }, (_, i) => row(i));
function put(name: string, content: unknown): string {
  const path = join(root, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}
const answers = (set: { response: { content: string }[] }[]) =>
  set.map((example) => example.response[0]!.content);

describe('example data sets', () => {
  test.each([
    ['customer_service_en', 12],
    ['customer_service_zh', 12],
  ])('%s loads whole', async (name, count) => {
    const { train, issues, totals, notes } = await load({ dataset: [name], dataset_dir: examples });
    expect(train).toHaveLength(count);
    expect(issues).toEqual([]);
    expect(notes).toEqual([]);
    expect(totals).toEqual([
      { dataset: name, use: 'train', read: count, used: count, dropped: 0, repaired: 0, duplicate: 0 },
    ]);
  });
});

const demo = assetPath('data/llamafactory_demo');
describe.skipIf(demo === null)('demo data sets', () => {
  const dataset_dir = demo ?? '';
  test.each([
    ['identity', 91, 0],
    ['alpaca_en_demo', 999, 14],
    ['alpaca_zh_demo', 1000, 8],
    ['glaive_toolcall_en_demo', 300, 35],
    ['glaive_toolcall_zh_demo', 300, 43],
  ])('%s: %i rows', async (name, count, duplicate) => {
    const { train, totals } = await load({ dataset: [name], dataset_dir });
    expect(train).toHaveLength(count);
    expect(totals).toEqual([
      { dataset: name, use: 'train', read: count, used: count, dropped: 0, repaired: 0, duplicate },
    ]);
  });

  test.each([
    ['c4_demo', 300],
    ['wiki_demo', 30],
    ['wiki_demo.txt', 30],
    ['c4_demo.jsonl', 300],
  ])('%s: %i texts', async (name, count) => {
    expect((await load({ dataset: [name], dataset_dir, stage: 'pt' })).train).toHaveLength(count);
  });

  test.each([
    ['dpo_en_demo', 'stage_dpo_needed'],
    ['dpo_zh_demo', 'stage_dpo_needed'],
    ['kto_en_demo', 'stage_kto_needed'],
    ['dpo_en_demo.json', 'stage_dpo_needed'],
    ['kto_en_demo.json', 'stage_kto_needed'],
  ])('%s: %s', async (name, reason) => {
    const error = await failure({ dataset: [name], dataset_dir, max_dropped_fraction: 1 });
    expect(error).toMatchObject({
      code: 'DATA_NO_ROWS',
      message: expect.stringContaining(`300 × ${reason}`),
    });
  });

  test('entries and plain paths give the same examples', async () => {
    for (const name of ['alpaca_zh_demo', 'glaive_toolcall_en_demo']) {
      const byName = await load({ dataset: [name], dataset_dir });
      const byPath = await load({ dataset: [`${name}.json`], dataset_dir });
      expect(contentHash(byPath.train)).toBe(contentHash(byName.train));
    }
  });

  test('unreplaced placeholders are noted', async () => {
    const { notes } = await load({ dataset: ['identity'], dataset_dir });
    expect(notes).toMatchObject([
      { kind: 'placeholders', count: 85, text: expect.stringContaining('{{name}}') },
    ]);
  });
});

describe('counting and gates', () => {
  test('every row is counted, bad ones with file, row, field and reason', async () => {
    const file = put('mixed.json', [...rows(18), row(18, { output: '' }), 7, row(3)]);
    const { train, issues, totals } = await load({ dataset: [file], max_dropped_fraction: 0.2 });
    expect(train).toHaveLength(19);
    expect(totals).toMatchObject([{ read: 21, used: 19, dropped: 2, duplicate: 1 }]);
    expect(issues).toMatchObject([
      { kind: 'dropped', reason: 'empty_answer', field: 'output', source: { file, row: 18 } },
      { kind: 'dropped', reason: 'not_an_object', source: { file, row: 19 } },
    ]);
  });

  test('too many dropped rows stop the run with the reasons and rows', async () => {
    put('half.json', [...rows(5), ...rows(5).map((r) => ({ ...r, output: { deep: 1 } }))]);
    const error = await failure({ dataset: ['half.json'] });
    expect(error).toMatchObject({ code: 'DATA_TOO_MANY_DROPPED', exitCode: 1 });
    expect(error.message).toContain('5 of 10 rows (50.0 %)');
    expect(error.message).toContain('5 × wrong_type');
    expect(error.message).toMatch(
      /half\.json row 6, output: expected a string, found an object with keys deep/,
    );
    expect(error.remedy).toContain('max_dropped_fraction');
  });

  test('a small data set cannot vanish behind a large one', async () => {
    put('good.json', rows(1000));
    put('bad.json', [row(0, { output: null }), row(1)]);
    expect((await failure({ dataset: ['good.json', 'bad.json'] })).message).toContain('"bad.json"');
  });

  test('no rows at all', async () => {
    put('none.json', []);
    expect((await failure({ dataset: ['none.json'] })).code).toBe('DATA_UNSUPPORTED_FORMAT');
    put('dataset_info.json', { none: { file_name: 'none.json' } });
    expect((await failure({ dataset: ['none'] })).code).toBe('DATA_NO_ROWS');
  });

  test('a named column that no row has', async () => {
    put('good.json', rows(3));
    put('dataset_info.json', {
      d: { file_name: 'good.json', columns: { prompt: 'instructions', response: 'output' } },
    });
    const error = await failure({ dataset: ['d'] });
    expect(error).toMatchObject({
      code: 'DATA_BAD_INFO',
      message: expect.stringContaining('Did you mean "instruction"?'),
    });
  });

  test('the stage must suit the data set', async () => {
    put('talk.json', [{ conversations: [] }]);
    put('text.json', [{ text: 'x' }]);
    put('dataset_info.json', {
      text: { file_name: 'text.json', columns: { prompt: 'text' } },
      talk: { file_name: 'talk.json', formatting: 'sharegpt' },
    });
    expect((await failure({ dataset: ['text'] })).message).toContain('names no response');
    expect((await failure({ dataset: ['talk'], stage: 'pt' })).code).toBe('DATA_UNSUPPORTED_FORMAT');
    expect((await failure({ dataset: ['text.json'] })).remedy).toContain('stage pt');
    expect((await failure({ dataset: ['talk.json'], stage: 'pt' })).message).toContain('"text" or "content"');
  });

  test('plain paths: formats by their columns', async () => {
    put('qa.json', [{ question: 'q', answer: 'a' }]);
    put('openai.json', [
      {
        messages: [
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
        ],
      },
    ]);
    put('roles.json', [
      {
        conversations: [
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
        ],
      },
    ]);
    put('sharegpt.json', [
      {
        messages: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: 'a' },
        ],
      },
    ]);
    const names = ['qa.json', 'openai.json', 'roles.json', 'sharegpt.json'];
    const { train } = await load({ dataset: names });
    expect(new Set(names.map((_, i) => contentHash([train[i]!]))).size).toBe(1);
    writeFileSync(
      join(root, 'talk.csv'),
      'messages\n"[{""role"":""user"",""content"":""q""},{""role"":""assistant"",""content"":""a""}]"\n',
    );
    const csv = await load({ dataset: ['talk.csv'] });
    expect(contentHash(csv.train)).toBe(contentHash([train[0]!]));
    expect(csv.totals[0]).toMatchObject({ used: 1, repaired: 1 });
  });
});

describe('samples, splits and mixes', () => {
  test('max_samples takes the first rows and reads no further', async () => {
    const folder = join(root, 'parts');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'a.jsonl'),
      rows(3)
        .map((r) => JSON.stringify(r))
        .join('\n'),
    );
    writeFileSync(
      join(folder, 'b.jsonl'),
      [
        ...rows(9)
          .slice(3)
          .map((r) => JSON.stringify(r)),
        'broken\n',
      ].join('\n'),
    );
    const { train, totals } = await load({ dataset: ['parts'], max_samples: 5 });
    expect(answers(train)).toEqual(['answer 0', 'answer 1', 'answer 2', 'answer 3', 'answer 4']);
    expect(totals).toMatchObject([{ read: 5, used: 5 }]);
  });

  test('num_samples permutes, and repeats only beyond what there is', async () => {
    put('ten.json', rows(10));
    put('dataset_info.json', {
      few: { file_name: 'ten.json', num_samples: 4 },
      many: { file_name: 'ten.json', num_samples: 25 },
    });
    const few = await load({ dataset: ['few'] });
    expect(new Set(answers(few.train)).size).toBe(4);
    expect(few.train).toEqual((await load({ dataset: ['few'] })).train);
    expect(few.train).not.toEqual((await load({ dataset: ['few'], seed: 43 })).train);
    const many = await load({ dataset: ['many'] });
    expect(new Set(answers(many.train.slice(0, 10))).size).toBe(10);
    expect(many.train).toHaveLength(25);
    expect(many.totals).toMatchObject([{ read: 25, used: 25, duplicate: 0 }]);
    expect((await load({ dataset: ['many'], max_samples: 7 })).train).toEqual(many.train.slice(0, 7));
  });

  test('val_size splits, eval_dataset names, both together are refused', async () => {
    put('ten.json', rows(10));
    const split = await load({ dataset: ['ten.json'], val_size: 0.25 });
    expect(split.train).toHaveLength(7);
    expect(split.evaluation.validation).toHaveLength(3);
    expect(split.notes.map((note) => note.kind)).toEqual(['format']);
    expect((await failure({ dataset: ['ten.json'], eval_dataset: ['ten.json'], val_size: 2 })).code).toBe(
      'ARGS_CONFLICT',
    );
    expect((await failure({ eval_dataset: [], val_size: 2 })).code).toBe('ARGS_CONFLICT');
    expect((await failure({ dataset: ['ten.json'], max_samples: 0 })).code).toBe('ARGS_BAD_VALUE');
  });

  test('evaluation rows that are trained on are noted', async () => {
    put('ten.json', rows(10));
    put('some.json', [row(3), row(99)]);
    const { evaluation, notes } = await load({
      dataset: ['ten.json'],
      eval_dataset: ['some.json', 'some.json'],
    });
    expect(Object.keys(evaluation)).toEqual(['some.json', 'some.json#2']);
    expect(notes.filter((note) => note.kind === 'overlap')).toMatchObject([
      { dataset: 'some.json', count: 1 },
      { dataset: 'some.json#2', count: 1 },
    ]);
  });

  test('several data sets are mixed as asked', async () => {
    put('two.json', rows(2));
    put('three.json', [row(10), row(11), row(12)]);
    const dataset = ['two.json', 'three.json'];
    expect(answers((await load({ dataset, mix_strategy: 'interleave_over' })).train)).toEqual(
      [0, 10, 1, 11, 0, 12].map((n) => `answer ${n}`),
    );
    expect((await failure({ dataset, interleave_probs: [0.5, 0.5] })).code).toBe('ARGS_CONFLICT');
  });
});

describe('report', () => {
  test('shows totals, notes, and the commonest reasons first', async () => {
    put('report.json', [
      row(0),
      row(0),
      row(1, { output: '{{name}}' }),
      row(2, { output: '' }),
      row(3, { output: 7 }),
      row(4, { output: 7 }),
    ]);
    const data = await load({ dataset: ['report.json'], max_dropped_fraction: 1 });
    expect(reportRows(data).replaceAll(root, '')).toMatchInlineSnapshot(`
      "data set     use    read  used  repaired  dropped  duplicate
      report.json  train     6     3         0        3          1
      report.json: rows with placeholders: 1, such as "{{name}}": replace them, or the model learns the braces
      report.json: format found from the columns: alpaca (prompt=instruction, response=output)
      report.json: rows that repeat the content of an earlier row: 1
      dropped:
        2 × wrong_type: a value has the wrong type
          /report.json row 5, output: expected a string, found the number 7
          /report.json row 6, output: expected a string, found the number 7
        1 × empty_answer: an answer is empty
          /report.json row 4, output: the answer has no text"
    `);
    const lines: string[] = [];
    await writeIssues(data.issues, (line) => void lines.push(line));
    expect(JSON.parse(lines[0]!)).toEqual({
      ...{ kind: 'dropped', reason: 'empty_answer', dataset: 'report.json', file: join(root, 'report.json') },
      ...{ row: 3, field: 'output', detail: 'the answer has no text' },
    });
    expect(lines).toHaveLength(3);
  });
});

test('the content hash knows content and order, not the file', async () => {
  put('a.json', rows(3));
  put(
    'b.json',
    rows(3).map((r) => ({ ...r, input: '', id: 1 })),
  );
  put('c.json', rows(3).reverse());
  const hash = async (name: string) => contentHash((await load({ dataset: [name] })).train);
  expect(await hash('a.json')).toMatch(/^[0-9a-f]{64}$/);
  expect(await hash('b.json')).toBe(await hash('a.json'));
  expect(await hash('c.json')).not.toBe(await hash('a.json'));
});
