import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import fixture from '../fixtures/generation.json' with { type: 'json' };
import { aggregate, DEFAULT_INTERVALS } from './aggregate.ts';
import { BLEU_TOKENIZERS, type BleuTokenizer } from './bleu-tokenizers.ts';
import { translationEdits } from './edit-rate.ts';
import { METRICS } from './registry.ts';

type Pair = [prediction: string, references: string[]];

const rowsOf = (pairs: readonly Pair[]): PredictionRow[] =>
  pairs.map(([prediction, references], i) => ({ id: `r${i}`, prompt: '', prediction, references }));

const OPTIONS: Record<string, object> = {
  lc: { lowercase: true },
  cs: { case_sensitive: true },
  floor: { smooth_method: 'floor' },
  'add-k': { smooth_method: 'add-k' },
  none: { smooth_method: 'none' },
};

/** The value over all rows, or over one; and the signature. */
function score(name: string, pairs: readonly Pair[], options = {}): { value: number; signature?: string } {
  const [prepared] = METRICS[name as MetricName].prepare(rowsOf(pairs), options, {});
  return { value: prepared.value(pairs.map((_, i) => i)), signature: prepared.signature };
}

describe('tokenizers of sacrebleu', () => {
  it('cut as they do', () => {
    for (const [line, expected] of fixture.tokens as [string, Record<BleuTokenizer, string[]>][]) {
      for (const [name, tokens] of Object.entries(expected)) {
        expect(BLEU_TOKENIZERS[name as BleuTokenizer](line), `${name}: ${line}`).toEqual(tokens);
      }
    }
  });
});

describe.each(Object.entries(fixture.groups))('sacrebleu on %s rows', (_, group) => {
  const pairs = group.rows as Pair[];

  it.each(Object.entries(group.scores))('%s has its score and signature', (key, expected) => {
    const [name, option] = key.split('|');
    const found = score(name, pairs, option ? OPTIONS[option] : {});
    expect(found.value).toBeCloseTo(expected[0] as number, 9);
    expect(found.signature).toBe(expected[1]);
  });

  it.each(Object.entries(group.perRow))('%s has its score for every row alone', (name, expected) => {
    pairs.forEach((pair, i) => {
      expect(score(name, [pair]).value, pair[0]).toBeCloseTo(expected[i], 9);
    });
  });
});

describe('sacrebleu', () => {
  const cats: Pair[] = [
    ['the cat sat on the mat', ['the cat is on the mat']],
    ['there is a dog', ['there is the dog']],
  ];

  it('has the published scores', () => {
    expect(score('bleu@13a', cats).value).toBeCloseTo(30.213753973567677, 12);
    expect(score('chrf', cats).value).toBeCloseTo(58.961032637592496, 12);
    expect(score('chrf++', cats).value).toBeCloseTo(60.47398741714469, 12);
    expect(score('ter', cats).value).toBeCloseTo(20, 12);
    const beijing: Pair[] = [['我今天去了北京。', ['我昨天去了北京。']]];
    expect(score('bleu@13a', beijing).value).toBe(0);
    expect(score('bleu@zh', beijing).value).toBeCloseTo(70.71067811865478, 12);
    expect(score('chrf', beijing).value).toBeCloseTo(61.48809523809524, 12);
    const multi = fixture.groups.multi.rows as Pair[];
    expect(score('bleu@13a', multi).value).toBeCloseTo(48.530827, 6);
    expect(score('bleu@none', multi).value).toBeCloseTo(49.1919566, 6);
    expect(score('bleu@intl', multi).value).toBeCloseTo(43.91623493, 6);
  });

  it('smooths single sentences in four ways', () => {
    for (const [options, expected] of fixture.sentences as [object, number][]) {
      const found = score('bleu@13a', [['the cat sat', ['the cat is']]], {
        ...options,
        effective_order: true,
      });
      expect(found.value).toBeCloseTo(expected, 9);
    }
  });

  it('has an interval from resampled rows, and names a row without a reference', () => {
    const rows = rowsOf(fixture.groups.english.rows as Pair[]);
    const [value] = aggregate(METRICS.ter, rows, {}, {}, { ...DEFAULT_INTERVALS, resamples: 200 });
    expect(value.interval).toMatchObject({ method: 'bootstrap-percentile' });
    expect(value.interval!.low).toBeLessThan(value.value!);
    expect(value.interval!.high).toBeGreaterThan(value.value!);
    expect(() => score('chrf', [['a', []]])).toThrow(/reference in row r0, found none/);
  });
});

describe('translationEdits', () => {
  const words = fc.array(fc.constantFrom(...'abcde'), { maxLength: 12 });

  it('never needs more edits than a plain edit distance, and none for equal texts', () => {
    fc.assert(
      fc.property(words, words, (a, b) => {
        expect(translationEdits(a, a)).toBe(0);
        expect(translationEdits(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(translationEdits(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });

  it('counts a moved block as one edit', () => {
    expect(translationEdits([...'defabc'], [...'abcdef'])).toBe(1);
  });
});
