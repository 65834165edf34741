import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { NEAR } from '../dedup/near-index.ts';
import { assignGroups } from './assign-groups.ts';
import { contentId } from './content-id.ts';
import { crossCheck } from './cross-check.ts';
import { LEAKAGE, leakageGroups } from './leakage-groups.ts';
import { parseSeal, SealedTest, sealTest } from './sealed-test.ts';
import { strataOf } from './strata.ts';

function row(prompt: string, answer = 'x', extra: Record<string, unknown> = {}): CleanRow {
  return {
    kind: 'sft',
    system: '',
    tools: '',
    prompt: [{ role: 'user', content: prompt }],
    response: [{ role: 'assistant', content: answer }],
    extra,
  };
}

const setOf = (rows: readonly CleanRow[]) => ({
  count: rows.length,
  row: (i: number) => rows[i]!,
  id: (i: number) => contentId(rows[i]!),
});

const LONG = 'my new card arrived yesterday but the app says it is not active, how do I turn it on please';

describe('leakage groups', () => {
  test('join the same and near prompts, columns, and parents with their children', async () => {
    const parent = row('a question of its own kind');
    const rows = [
      row(LONG, 'a'),
      { ...row(LONG.toUpperCase(), 'b'), system: 'another system text' },
      row(`${LONG} now`, 'c'),
      row('first turn', 'x', { conversation: 7 }),
      row('something else', 'x', { conversation: 7 }),
      parent,
      row('made from it', 'x', { parents: [contentId(parent)] }),
      row('orphan one', 'x', { parents: ['0123456789abcdef'] }),
      row('orphan two', 'x', { parents: ['0123456789abcdef'] }),
      row('alone', 'x', { conversation: '' }),
    ];
    const { groups, ties } = await leakageGroups(
      setOf(rows),
      { ...LEAKAGE, columns: ['conversation'] },
      async () => {},
    );
    expect(groups.groups(1)).toEqual([[0, 1, 2], [3, 4], [5, 6], [7, 8], [9]]);
    expect(ties).toEqual({ same_prompt: 1, near_prompt: 1, same_conversation: 1, synthetic_parent: 2 });
  });

  test('the check of crossing ties finds a split by rows, and nothing in a split by groups', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => row(`${LONG} ${'abcdefghij'[i % 10]}${i % 10} ${i}`));
    const near = { ...NEAR, common: new Set<number>() };
    const byRow = rows.map((_, i) => (i < 30 ? 'train' : 'test'));
    expect(crossCheck(setOf(rows), byRow, [], near).counts.near_prompt).toBeGreaterThan(0);
    const all = rows.map(() => 'train');
    expect(crossCheck(setOf(rows), all, [], near).counts).toEqual({
      same_prompt: 0,
      near_prompt: 0,
      same_column: 0,
    });
  });
});

describe('assignGroups', () => {
  const shares = [
    { name: 'train', share: 0.8 },
    { name: 'val', share: 0.1 },
    { name: 'test', share: 0.1 },
  ];

  test('gives every label its share in every part, where groups are single rows', () => {
    const groups = Array.from({ length: 2000 }, (_, i) => [i]);
    const label = (i: number) => (i % 20 === 0 ? 'rare' : 'common');
    const parts = assignGroups(groups, label, shares, 1);
    for (const [name, wanted] of [
      ['rare', 10],
      ['common', 190],
    ] as const) {
      const inTest = parts.filter((part, i) => part === 'test' && label(i) === name).length;
      expect(Math.abs(inTest - wanted)).toBeLessThanOrEqual(1);
    }
    expect(assignGroups(groups, label, shares, 1)).toEqual(parts);
    expect(assignGroups(groups, label, shares, 2)).not.toEqual(parts);
  });

  test('never cuts a group, gives each row a part, and keeps near the shares where it can', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 60, maxLength: 120 });
    fc.assert(
      fc.property(sizes, fc.integer(), (list, seed) => {
        let next = 0;
        const groups = list.map((size) => Array.from({ length: size }, () => next++));
        const parts = assignGroups(groups, (i) => String(i % 3), shares, seed);
        expect(parts.filter((part) => shares.some(({ name }) => name === part))).toHaveLength(next);
        for (const group of groups) expect(new Set(group.map((i) => parts[i])).size).toBe(1);
        const test = parts.filter((part) => part === 'test').length;
        expect(Math.abs(test - next * 0.1)).toBeLessThan(13);
      }),
      { numRuns: 30 },
    );
  });
});

describe('strata', () => {
  const rows = Array.from({ length: 40 }, (_, i) => row(`q${i}`, i % 2 ? 'yes' : 'no', { topic: i % 4 }));

  test('are short answers that repeat, a column, or none', () => {
    expect(strataOf(setOf(rows), null).by).toBe('answer');
    expect(strataOf(setOf(rows.map((r, i) => row(`q${i}`, `answer ${i}`, r.extra))), null).by).toBe('none');
    expect(strataOf(setOf(rows), 'topic').label(5)).toBe('1');
    expect(() => strataOf(setOf(rows), 'nothing')).toThrow(FactoryError);
  });
});

describe('the seal', () => {
  const prompts = [LONG, '请问我上周下的订单如何申请退款，到现在还没有收到货', 'C++', 'Is it open?'];
  const text = JSON.stringify(sealTest(prompts, 1));

  test('knows the test again, exactly and nearly, and nothing else', () => {
    const seal = new SealedTest(parseSeal(text, 'seal'));
    for (const [number, prompt] of prompts.entries())
      expect(seal.nearest(` ${prompt.toUpperCase()}\n`)).toEqual({ row: number, similarity: 1 });
    expect(seal.nearest(`${LONG} now`)?.row).toBe(0);
    expect(seal.nearest(`${LONG} now`)?.similarity).toBeLessThan(1);
    expect(seal.nearest('请问我上周下的订单怎么申请退款，到现在还没有收到货')).toBeNull();
    expect(seal.nearest('请问一下我上周下的订单如何申请退款，到现在还没有收到货')?.row).toBe(1);
    for (const other of ['C', 'C#', 'Is it closed?', '', 'how do I turn on the light in my new car'])
      expect(seal.nearest(other)).toBeNull();
  });

  test('does not hold the texts, and says the same for the same test', () => {
    expect(text).not.toContain('card');
    expect(JSON.stringify(sealTest(prompts, 1))).toBe(text);
    expect(JSON.stringify(sealTest(prompts, 2))).not.toBe(text);
  });

  test.each([
    ['{', 'no JSON'],
    ['{}', 'empty'],
    [text.replace('"rows":4', '"rows":5'), 'another count'],
    [text.replace('"sizes":[', '"sizes":[900,'), 'another size'],
    ['null', 'null'],
  ])('refuses what is no seal: %#', (broken) => {
    expect(() => parseSeal(broken, 'seal')).toThrow(expect.objectContaining({ code: 'DATA_BAD_SEAL' }));
  });
});
