// Whatever bytes a file holds: rows, bad rows with a reason, or a FactoryError with a remedy; never a crash or a hang.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { loadDatasets } from './load-datasets.ts';
import { readParquet } from './read-parquet.ts';
import { ROW_REASONS } from './row-reasons.ts';

const root = mkdtempSync(join(tmpdir(), 'tunesmith-hostile-'));
afterAll(() => rmSync(root, { recursive: true }));
const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url)));

let files = 0;
/** Loads the bytes as a data set named in dataset_info.json and as a plain path; tells how it ended. */
async function survive(extension: string, bytes: Uint8Array): Promise<string[]> {
  const name = `${files++}.${extension}`;
  writeFileSync(join(root, name), bytes);
  const info = { alpaca: { file_name: name }, talk: { file_name: name, formatting: 'sharegpt' } };
  writeFileSync(join(root, 'dataset_info.json'), JSON.stringify(info));
  const endings: string[] = [];
  for (const dataset of ['alpaca', 'talk', name]) {
    for (const stage of ['sft', 'pt'] as const) {
      endings.push(await end(dataset, stage));
    }
  }
  rmSync(join(root, name));
  return endings;
}

async function end(dataset: string, stage: 'sft' | 'pt'): Promise<string> {
  try {
    const { train, issues, totals } = await loadDatasets({
      ...{
        dataset: [dataset],
        eval_dataset: [],
        dataset_dir: root,
        mix_strategy: 'concat',
        interleave_probs: null,
      },
      ...{ max_samples: null, val_size: 0, max_dropped_fraction: 1, sealed_test: null, stage, seed: 1 },
    });
    const { read, used, dropped } = totals[0]!;
    expect(used + dropped).toBe(read);
    expect(used).toBe(train.length);
    expect(issues.filter((issue) => issue.kind === 'dropped')).toHaveLength(dropped);
    for (const issue of issues) expect(Object.keys(ROW_REASONS)).toContain(issue.reason);
    return 'rows';
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.message.length).toBeLessThan(5000);
    expect(error.remedy).toMatch(/[.)]$/);
    return error.code;
  }
}

const rows = Array.from({ length: 6 }, (_, i) => ({
  ...{ instruction: `q "${i}"\n`, input: '', output: `答${i}`, text: 't' },
  conversations: [
    { from: 'human', value: 'h' },
    { from: 'gpt', value: 'g' },
  ],
}));
const healthy: [string, Uint8Array][] = [
  ['json', Buffer.from(JSON.stringify(rows))],
  ['jsonl', Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'))],
  ['csv', Buffer.from('instruction,output,text\n"a ""b""\nc",d,t\ne,f,t\n')],
  ['txt', Buffer.from('one\ntwo\n三\n')],
  ['jsonl.gz', gzipSync(rows.map((row) => JSON.stringify(row)).join('\n'))],
  ['parquet', fixture('alpaca_snappy.parquet')],
  ['parquet', fixture('alpaca_zstd.parquet')],
  ['parquet', fixture('sharegpt_nested.parquet')],
];

test('the healthy files are read', async () => {
  for (const [extension, bytes] of healthy) expect(await survive(extension, bytes)).toContain('rows');
});

test('random bytes under any extension', async () => {
  const extension = fc.constantFrom('json', 'jsonl', 'csv', 'tsv', 'txt', 'parquet', 'json.gz');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ maxLength: 100 }).map((text) => Buffer.from(text)),
    fc.stringMatching(/^[[\]{}",:\\0-9a-z \n]{0,60}$/).map((text) => Buffer.from(text)),
    fc
      .uint8Array({ maxLength: 60 })
      .map((body) => Buffer.concat([Buffer.from('PAR1'), body, Buffer.from('PAR1')])),
  );
  await fc.assert(
    fc.asyncProperty(extension, bytes, async (e, b) => void (await survive(e, b))),
    { numRuns: 100 },
  );
});

test('healthy files cut off anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...healthy),
      fc.integer({ min: 0, max: 1000 }),
      async ([e, b], share) => {
        await survive(e, b.subarray(0, Math.floor((b.length * share) / 1000)));
      },
    ),
    { numRuns: 80 },
  );
});

// Integers: fast-check draws most doubles close to 0.
const permille = fc.integer({ min: 0, max: 999 });
const change = fc.tuple(permille, fc.integer({ min: 0, max: 255 }));
const changes = fc.array(change, { minLength: 1, maxLength: 4 });
function damage(bytes: Uint8Array, list: [share: number, byte: number][]): Uint8Array {
  const damaged = Buffer.from(bytes);
  for (const [share, byte] of list) damaged[Math.floor((share * damaged.length) / 1000)] = byte;
  return damaged;
}

test('healthy text files with changed bytes', async () => {
  const texts = healthy.filter(([extension]) => extension !== 'parquet');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...texts), changes, async ([extension, bytes], list) => {
      await survive(extension, damage(bytes, list));
    }),
    { numRuns: 120 },
  );
});

async function surviveParquet(bytes: Uint8Array): Promise<string> {
  const path = join(root, `${files++}.parquet`);
  writeFileSync(path, bytes);
  try {
    for await (const { row } of readParquet(path, 1000)) expect(row).toBeGreaterThanOrEqual(0);
    return 'rows';
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return error.message;
  }
}

test('Parquet files with changed bytes', async () => {
  const binary = healthy.filter(([extension]) => extension === 'parquet');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...binary), changes, async ([, bytes], list) => {
      await surviveParquet(damage(bytes, list));
    }),
    { numRuns: 30 },
  );
});

test('a Parquet file that sends the decoder into a loop', async () => {
  expect(await surviveParquet(fixture('looping.parquet'))).toContain('does not come to an end');
});

test('rows of any JSON values', async () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  const row = fc.oneof(
    value,
    fc.record(
      { instruction: value, input: value, output: value, conversations: value },
      { requiredKeys: [] },
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 6 }), async (list) => {
      await survive('json', Buffer.from(JSON.stringify(list)));
      await survive('jsonl', Buffer.from(list.map((item) => JSON.stringify(item)).join('\n')));
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['deep nesting', 'json', '['.repeat(200_000)],
  [
    'deep nesting in a row',
    'json',
    `[{"instruction": ${'['.repeat(100_000)}${']'.repeat(100_000)}, "output": "x"}]`,
  ],
  ['deep nesting in a line', 'jsonl', `{"conversations": ${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}}`],
  ['huge numbers', 'jsonl', `{"instruction": 1e999, "output": ${'9'.repeat(10_000)}}`],
  ['NUL bytes', 'json', '[{"instruction": "a\0", "output": "b"}]'],
  ['escaped NUL', 'jsonl', '{"instruction": "a\\u0000", "output": "b"}'],
  ['many empty rows', 'json', `[${'{},'.repeat(50_000)}{}]`],
  ['many columns', 'json', `[{${Array.from({ length: 20_000 }, (_, i) => `"c${i}": 1`).join(',')}}]`],
  ['a name that asks for the prototype', 'jsonl', '{"__proto__": {"instruction": "a"}, "output": "b"}'],
  ['one long line', 'txt', 'x'.repeat(3_000_000)],
  ['only line breaks', 'csv', '\n'.repeat(100_000)],
  ['only quotes', 'csv', '"'.repeat(100_001)],
  ['only commas', 'csv', `${','.repeat(10_000)}\n`.repeat(2)],
])(
  '%s',
  async (_title, extension, content) => {
    await survive(extension, Buffer.from(content));
  },
  20_000,
);
