import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from '#factory/data/clean-recipe.ts';
import { CleanLedger } from '#factory/store/clean-ledger.ts';
import { compareLedgers } from '#factory/store/compare-ledgers.ts';
import { decideAgain, restore } from './change-run.ts';
import { cleanData } from './clean-data.ts';
import type { CleanEvent } from './clean-deps.ts';
import { type ExportWish, exportRun } from './export-run.ts';
import { withRun } from './open-run.ts';
import { whyRow } from './why-row.ts';

const root = mkdtempSync(join(tmpdir(), 'clean-data-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let counter = 0;
const folder = () => join(root, `run-${counter++}`);

function inputFile(content: string | Buffer, name = 'rows.jsonl'): string {
  const dir = folder();
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

const WISH: ExportWish = { layout: null, container: 'jsonl', name: 'cleaned', keep: [], ids: false };
const recipeOf = (...steps: unknown[]) => resolveRecipe({ name: 'test', steps }, 'test');

interface RunOptions {
  output?: string;
  wish?: Partial<ExportWish>;
  recipe?: ReturnType<typeof recipeOf>;
  onEvent?: (event: CleanEvent) => void;
  signal?: AbortSignal;
}

function clean(input: string, options: RunOptions = {}) {
  return cleanData(
    [input],
    options.recipe ?? recipeOf('length'),
    options.output ?? folder(),
    { ...WISH, ...options.wish },
    {
      ...{ env: {}, fetch, now: () => 0, threads: 0 },
      signal: options.signal ?? new AbortController().signal,
      onEvent: options.onEvent ?? (() => {}),
    },
  );
}

const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((one) => /\p{L}/u.test(one));
const KINDS = {
  sft: fc.record({
    conversations: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }).map((pairs) =>
      pairs.flatMap(([value, answer]) => [
        { from: 'human', value },
        { from: 'gpt', value: answer },
      ]),
    ),
    system: fc.oneof(fc.constant(''), text),
  }),
  preference: fc.record({ instruction: text, chosen: text, rejected: text }),
  feedback: fc.record({ prompt: text, completion: text, kto_tag: fc.boolean() }),
  text: fc.record({ text }),
} as const;

describe('cleanData', () => {
  it('exports what the trainer reads back, for every kind of row, layout and file type', async () => {
    const fits: Record<keyof typeof KINDS, Partial<ExportWish>[]> = {
      sft: [
        ...(['alpaca', 'sharegpt', 'openai'] as const).map((layout) => ({ layout })),
        ...(['json', 'csv', 'tsv', 'parquet'] as const).map((container) => ({ container })),
      ],
      preference: [{ layout: 'alpaca' }, { layout: 'sharegpt' }, { layout: 'openai' }, { container: 'csv' }],
      feedback: [{ layout: 'alpaca' }, { layout: 'openai' }, { container: 'parquet' }],
      text: [{}, { container: 'tsv' }, { container: 'parquet' }],
    };
    for (const [kind, wishes] of Object.entries(fits) as [keyof typeof KINDS, Partial<ExportWish>[]][]) {
      const rows = fc.sample(KINDS[kind] as fc.Arbitrary<unknown>, { numRuns: 30, seed: 7 });
      const input = inputFile(lines(rows));
      const { outputDir, counts } = await clean(input);
      expect(counts).toMatchObject({ read: 30, kept: 30, dropped: 0, unreadable: 0 });
      await withRun(outputDir, async ({ ledger }) => {
        // Every export is read back and compared inside; a difference is an error.
        for (const wish of wishes)
          expect(await exportRun(ledger, folder(), { ...WISH, ...wish })).toMatchObject([{ kind, rows: 30 }]);
      });
    }
  });

  it('counts every row of a damaged file: read = kept + dropped, and nothing is lost', async () => {
    const good = JSON.stringify({ instruction: 'q', output: 'a' });
    const line = fc.oneof(
      fc.constantFrom(
        good,
        '{"instruction":"q","output":" "}',
        '{}',
        'null',
        '[1]',
        '{"instruction":1,"output":"x"}',
      ),
      fc.json(),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), async (rows) => {
        const one = rows.map((row) => row.replace(/[\r\n\0]/g, ' '));
        const input = inputFile(`${[good, ...one].join('\n')}\n`);
        const { counts } = await clean(input, { recipe: recipeOf('length', 'duplicates') });
        const expected = 1 + one.filter((row) => row.trim() !== '').length;
        expect(counts.read + counts.unreadable).toBe(expected);
        expect(counts.kept + counts.dropped).toBe(counts.read);
      }),
      { numRuns: 8 },
    );
  });

  it('gives the same bytes again, and goes on after it was stopped to the same bytes', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({
      instruction: `q ${i}`,
      output: i % 7 === 0 ? '\u200b' : `a ${i}`,
    }));
    const input = inputFile(lines(rows));
    const whole = await clean(input);
    const output = folder();
    const stop = new AbortController();
    const stopped = clean(input, {
      output,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'progress' && event.done > 16_500) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'DATA_INTERRUPTED' });
    let resumedFrom = 0;
    const resumed = await clean(input, {
      output,
      onEvent: (event) => {
        if (event.kind === 'start') resumedFrom = event.resumedFrom;
      },
    });
    expect(resumedFrom).toBeGreaterThan(10_000);
    expect(resumed.counts).toEqual(whole.counts);
    expect(readFileSync(join(output, 'export/cleaned.jsonl'))).toEqual(
      readFileSync(join(whole.outputDir, 'export/cleaned.jsonl')),
    );
    expect(await compareLedgers(whole.outputDir, output)).toMatchObject({
      rows: { both: 20_000, onlyFirst: 0, onlySecond: 0 },
      verdicts: [],
      edited: { rows: 0 },
    });
  });

  it('decides anew as a run with that threshold would, and brings rows back by reason or by id', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => ({ instruction: 'q'.repeat(i + 1), output: 'answer' }));
    const input = inputFile(lines(rows));
    const { outputDir } = await clean(input);
    const strict = await clean(input, { recipe: recipeOf({ length: { max_chars: 20 } }) });
    const moved = await decideAgain(outputDir, ['length.max_chars=20'], () => 0);
    expect(moved.counts).toEqual(strict.counts);
    expect(moved.reasons).toEqual(strict.reasons);
    expect(await compareLedgers(outputDir, strict.outputDir)).toMatchObject({ verdicts: [] });

    const story = await withRun(outputDir, ({ ledger, recipe }) => whyRow(ledger, recipe, 'rows.jsonl:50'));
    expect(story).toMatchObject({ kept: false, line: 50 });
    expect(story.entries).toMatchObject([{ verdict: 'drop', reason: 'too_long', score: 56, threshold: 20 }]);
    const one = await restore(outputDir, { reasons: [], rows: [story.id], clear: false }, () => 0);
    expect(one.counts.kept).toBe(moved.counts.kept + 1);
    const all = await restore(outputDir, { reasons: ['too_long'], rows: [], clear: false }, () => 0);
    expect(all.counts.dropped).toBe(0);
    const none = await restore(outputDir, { reasons: [], rows: [], clear: true }, () => 0);
    expect(none.counts).toEqual(moved.counts);
  });

  it('shows rows in one page that hostile text cannot leave', async () => {
    const hostile = '</script><script>alert(1)</script><!-- ';
    const rows = [
      { instruction: hostile, output: 'a' },
      { instruction: hostile, output: 'a' },
      { instruction: 'q', output: '\u200b' },
    ];
    const { outputDir } = await clean(inputFile(lines(rows)), { recipe: recipeOf('length', 'duplicates') });
    const page = readFileSync(join(outputDir, 'report.html'), 'utf8');
    expect(page.match(/<script/g)).toHaveLength(2);
    const [, json] = /id="report">(.*?)<\/script>/s.exec(page)!;
    expect(JSON.parse(json!)).toMatchObject({
      counts: { read: 3, kept: 1, dropped: 2 },
      clusters: [{ size: 2, members: [{ line: 2 }] }],
      dropped: [{}, {}],
    });
  });

  it('shows long rows field by field, from a little before their first edit on', async () => {
    const long = 'word '.repeat(3000);
    const { outputDir } = await clean(
      inputFile(lines([{ instruction: `${long}cafÃ© ${long}`, output: long.trim(), source: { page: 7 } }])),
      { recipe: recipeOf('text') },
    );
    const page = readFileSync(join(outputDir, 'report.html'), 'utf8');
    const [, json] = /id="report">(.*?)<\/script>/s.exec(page)!;
    const [{ before, fields }] = JSON.parse(json!).edits;
    expect(fields.map(({ name }: { name: string }) => name)).toEqual(['user', 'assistant', 'column source']);
    expect(before[0].text).toMatch(/^….{150,}cafÃ© word .*…$/);
    expect(fields[0].text).toMatch(/^….{150,}café word .*…$/);
    expect(before[1].text).toMatch(/^word .*…$/);
    expect(before[2].text).toBe('{"page":7}');
    expect(page.length).toBeLessThan(100_000);
  });

  it('shows pairs on both sides of the threshold for near duplicates', async () => {
    const words = Array.from({ length: 20 }, (_, i) => `word${i}`);
    const rows = [words, [...words, 'x'], [...words.slice(0, 17), 'a', 'b', 'c']];
    const { outputDir } = await clean(
      inputFile(lines(rows.map((one) => ({ instruction: one.join(' '), output: 'same' })))),
      { recipe: recipeOf({ duplicates: { floor: 0.5 } }) },
    );
    const page = readFileSync(join(outputDir, 'report.html'), 'utf8');
    const [, json] = /id="report">(.*?)<\/script>/s.exec(page)!;
    const [boundary] = JSON.parse(json!).boundaries;
    expect(boundary).toMatchObject({ reason: 'near_duplicate', threshold: 0.75, score: '' });
    const places = boundary.near.map(({ line, value, dropped, other }: (typeof boundary)['near'][0]) => [
      ...[line, other.line, value < 0.75, dropped],
    ]);
    expect(places).toContainEqual([1, 2, false, true]);
    expect(places).toContainEqual([2, 3, true, false]);
  });

  it('goes on where a run was killed while it made its tables', async () => {
    const output = folder();
    mkdirSync(output, { recursive: true });
    const started = await CleanLedger.open(output, true);
    for (const table of ['rules', 'flags', 'pairs']) await started.query(`drop table ${table}`);
    started.close();
    const { counts } = await clean(inputFile(lines([{ instruction: 'q', output: 'a' }])), {
      output,
      recipe: recipeOf('length', 'duplicates'),
    });
    expect(counts).toMatchObject({ read: 1, kept: 1 });
  });

  it('refuses another recipe in the folder of a run, unknown rows and options that need new scores', async () => {
    const input = inputFile(lines([{ instruction: 'q', output: 'a' }]));
    const { outputDir } = await clean(input, { recipe: recipeOf('length', 'duplicates') });
    await expect(clean(input, { output: outputDir })).rejects.toMatchObject({ code: 'DATA_RUN_EXISTS' });
    await expect(
      withRun(outputDir, ({ ledger, recipe }) => whyRow(ledger, recipe, 'rows.jsonl:9')),
    ).rejects.toMatchObject({ code: 'DATA_UNKNOWN_ROW' });
    await expect(withRun(root, async () => 0)).rejects.toMatchObject({ code: 'DATA_NO_RUN' });
    expect(() => recipeOf('lenght')).toThrow(/Did you mean "length"/);
    expect(() => recipeOf({ length: { max_chars: 'x' } })).toThrow(/whole number/);
  });
});
