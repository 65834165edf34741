import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { OptionValue, RowSet, SetContext, SetStep } from '../clean-step.ts';
import { conflictsStep } from './conflicts-step.ts';
import { duplicatesStep } from './duplicates-step.ts';
import { referenceStep } from './reference-step.ts';
import { jaccard, Shingler } from './shingles.ts';

type Pair = [prompt: string, answer: string, extra?: Record<string, unknown>];

function sft([prompt, answer, extra = {}]: Pair): CleanRow {
  return {
    kind: 'sft',
    system: '',
    tools: '',
    prompt: [{ role: 'user', content: prompt }],
    response: [{ role: 'assistant', content: answer }],
    extra,
  };
}

const CONTEXT: SetContext = {
  signal: new AbortController().signal,
  seed: 1,
  progress: async () => {},
  env: {},
  fetch,
  cacheFolder: '',
};

function setOf(rows: readonly CleanRow[]): RowSet {
  return { count: rows.length, row: (i) => rows[i]!, id: (i) => String(i) };
}

async function decide(step: SetStep, pairs: readonly Pair[], own: Record<string, OptionValue> = {}) {
  const defaults = Object.entries(step.options).map(([name, spec]) => [name, spec.default]);
  const options = { ...Object.fromEntries(defaults), ...own };
  const found = await step.run(setOf(pairs.map(sft)), options, CONTEXT);
  return {
    found,
    options,
    decisions: [...step.decide(found, options, new Uint8Array(pairs.length).fill(1))],
  };
}

const LONG = 'my new card arrived yesterday but the app says it is not active, how do I turn it on please';

describe('duplicates', () => {
  test('the longest of equal and near rows stays, and the others name it', async () => {
    const { decisions } = await decide(duplicatesStep, [
      [LONG, 'activate'],
      [`${LONG} now`, 'activate'],
      [LONG.toUpperCase(), 'Activate'],
      ['something else entirely about a refund of the fee that was taken twice', 'refund'],
    ]);
    expect(decisions).toEqual([
      { row: 0, reason: 'near_duplicate', survivor: 1, score: expect.closeTo(38 / 40, 1), threshold: 0.75 },
      { row: 2, reason: 'exact_duplicate', survivor: 1, score: 1, threshold: 1 },
    ]);
  });

  test('another answer makes another row, however alike the prompts are', async () => {
    const { decisions } = await decide(duplicatesStep, [
      [LONG, 'activate'],
      [LONG, 'lost'],
      [`${LONG} now`, 'deactivate'],
    ]);
    expect(decisions).toEqual([]);
    const byPrompt = await decide(
      duplicatesStep,
      [
        [LONG, 'activate'],
        [LONG, 'lost'],
      ],
      { unit: 'prompt', keep: 'first' },
    );
    expect(byPrompt.decisions.map(({ row }) => row)).toEqual([1]);
  });

  test.each<[string, string, number]>([
    ['first', '', 0],
    ['newest', 'date', 2],
    ['highest_score', 'score', 1],
    ['human_edited', 'edited', 3],
    ['longest', '', 4],
  ])('keep: %s', async (keep, keep_column, expected) => {
    const rows: Pair[] = [
      [LONG, 'yes', { date: '2024-01-01', score: '0.5' }],
      [LONG, 'yes', { date: '2024-03-01', score: 0.9 }],
      [LONG, 'yes', { date: '2025-01-31T10:00:00Z' }],
      [LONG, 'yes', { edited: true, score: 'none' }],
      [`  ${LONG}`, 'yes'],
    ];
    const { decisions } = await decide(duplicatesStep, rows, { keep, keep_column });
    expect(decisions.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4].filter((row) => row !== expected));
    expect(new Set(decisions.map(({ survivor }) => survivor))).toEqual(new Set([expected]));
  });

  test('rows of one long instruction are compared by what differs, and by their system text', async () => {
    const words = (n: number) => Array.from({ length: 9 }, (_, i) => `${'abcdefghi'[i]}${n}`).join(' ');
    const instruction = Array.from({ length: 100 }, (_, i) => `instruction${i}`).join(' ');
    const rows: Pair[] = Array.from({ length: 60 }, (_, i) => [`${instruction}: ${words(i)}`, 'yes']);
    rows.push([`${instruction}: ${words(7)} a7`, 'yes']);
    expect(
      (await decide(duplicatesStep, rows)).decisions.map(({ row, survivor }) => [row, survivor]),
    ).toEqual([[7, 60]]);
    expect((await decide(duplicatesStep, rows, { common_share: 1 })).decisions.length).toBe(60);
    const two = setOf([
      { ...sft([LONG, 'a']), system: 'one' },
      { ...sft([LONG, 'a']), system: 'two' },
    ]);
    const options = Object.fromEntries(
      Object.entries(duplicatesStep.options).map(([name, { default: value }]) => [name, value]),
    );
    const found = await duplicatesStep.run(two, options, CONTEXT);
    expect(found.pairs.a.length).toBe(0);
  });

  test('n distinct short rows in, n out', async () => {
    const short = fc.string({
      unit: fc.constantFrom('a', 'b', '退', '款', ' ', '+', '?', '1'),
      maxLength: 7,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(short, { maxLength: 60 }), async (texts) => {
        const distinct = new Set(texts.map((text) => text.replace(/\s+/g, ' ').trim()));
        const { decisions } = await decide(
          duplicatesStep,
          texts.map((text) => [text, '']),
        );
        expect(texts.length - decisions.length).toBe(distinct.size);
        expect(decisions.every(({ reason }) => reason === 'exact_duplicate')).toBe(true);
      }),
    );
  });

  test('a chain does not drop its far end, and survivors are not near each other', async () => {
    const words = (from: number) => Array.from({ length: 30 }, (_, i) => `w${from + i}`).join(' ');
    const chain: Pair[] = Array.from({ length: 30 }, (_, i) => [words(i * 2), 'x']);
    const { decisions } = await decide(duplicatesStep, chain, { keep: 'first' });
    expect(decisions.length).toBeGreaterThan(10);
    const gone = new Set(decisions.map(({ row }) => row));
    const shingler = new Shingler();
    const sets = chain.map(([prompt]) => shingler.shingles(prompt).slice());
    for (const { row, survivor, score } of decisions) {
      expect(gone.has(survivor!)).toBe(false);
      expect(jaccard(sets[row]!, sets[survivor!]!)).toBeCloseTo(score, 3);
    }
    const again = chain.filter((_, i) => !gone.has(i));
    expect((await decide(duplicatesStep, again, { keep: 'first' })).decisions).toEqual([]);
  });

  test('finds what comparing all pairs finds, in a crowd of one template too', async () => {
    const random = seededRandom('crowd');
    const vocabulary = Array.from({ length: 60 }, (_, i) => `word${i}`);
    const rows: Pair[] = [];
    for (let i = 0; i < 150; i++) {
      const base = Array.from({ length: 20 }, () => vocabulary[random.int(60)]!);
      rows.push([base.join(' '), '']);
      rows.push([base.with(random.int(20), 'changed').join(' '), '']);
      if (i % 2 === 0)
        rows.push([`this is the template of the survey about our service and its answer is number ${i}`, '']);
    }
    const { decisions, found } = await decide(duplicatesStep, rows);
    const gone = new Set(decisions.map(({ row }) => row));
    const shingler = new Shingler();
    const sets = rows.map(([prompt]) => shingler.shingles(prompt).slice());
    const left = sets.filter((_, i) => !gone.has(i));
    let near = 0;
    for (let i = 0; i < left.length; i++)
      for (let j = i + 1; j < left.length; j++) if (jaccard(left[i]!, left[j]!) >= 0.75) near++;
    // At the threshold LSH finds a pair with a chance of 0.97; a few of 150 may be missed.
    expect(near).toBeLessThanOrEqual(3);
    expect(decisions.length).toBeGreaterThan(220);
    expect(found.pairs.a.length).toBeLessThan(2500);
  });

  test('a threshold moves without new scores, and what is gone already stands for nobody', async () => {
    const { found, options } = await decide(duplicatesStep, [
      [LONG, 'a'],
      [`${LONG} now`, 'a'],
      [LONG, 'a'],
    ]);
    const rows = (threshold: number | null, alive: number[]) =>
      [...duplicatesStep.decide(found, { ...options, threshold }, Uint8Array.from(alive))].map(
        ({ row, survivor }) => [row, survivor],
      );
    expect(rows(0.75, [1, 1, 1])).toEqual([
      [0, 1],
      [2, 1],
    ]);
    expect(rows(null, [1, 1, 1])).toEqual([[2, 0]]);
    expect(rows(0.999, [1, 1, 1])).toEqual([[2, 0]]);
    expect(rows(0.75, [1, 0, 1])).toEqual([[2, 0]]);
    expect(rows(0.75, [0, 0, 1])).toEqual([]);
  });
});

describe('reference rows', () => {
  test('rows whose prompt another file has go, whatever the answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reference-'));
    const file = join(folder, 'old.jsonl');
    writeFileSync(file, `${JSON.stringify({ instruction: `${LONG} now`, input: '', output: 'x' })}\n`);
    const rows: Pair[] = [
      [LONG, 'activate'],
      [`${LONG} NOW`, 'other'],
      ['something else', 'x'],
    ];
    const { decisions } = await decide(referenceStep, rows, { files: [file] });
    rmSync(folder, { recursive: true });
    expect(decisions.map(({ row, score }) => [row, score === 1])).toEqual([
      [0, false],
      [1, true],
    ]);
    expect((await decide(referenceStep, rows)).decisions).toEqual([]);
  });
});

describe('conflicts', () => {
  const rows: Pair[] = [
    ['Is it open?', 'yes'],
    ['is it  open?', 'no'],
    ['Is it open?', 'Yes'],
    ['What is it?', 'a bank'],
    ['What is it?', 'A  bank'],
  ];

  test('are kept and listed by default', async () => {
    const { decisions } = await decide(conflictsStep, rows);
    expect(decisions.map(({ row, reason }) => [row, reason])).toEqual([
      [0, 'answer_conflict'],
      [1, 'answer_conflict'],
      [2, 'answer_conflict'],
    ]);
    expect(decisions[0]!.score).toBeCloseTo(2 / 3, 12);
  });

  test('the minority, or all, can go; without a clear majority none does', async () => {
    const minority = await decide(conflictsStep, rows, { drop: 'minority' });
    expect(
      minority.decisions.filter(({ reason }) => reason === 'answer_minority').map(({ row }) => row),
    ).toEqual([1]);
    const tie = await decide(conflictsStep, rows.slice(0, 2), { drop: 'minority' });
    expect(tie.decisions.every(({ reason }) => reason === 'answer_conflict')).toBe(true);
    const all = await decide(conflictsStep, rows, { drop: 'all' });
    expect(all.decisions.map(({ reason }) => reason)).toEqual(Array(3).fill('answer_disputed'));
  });
});
