import { describe, expect, it } from 'vitest';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import fixture from '../fixtures/generation.json' with { type: 'json' };
import type { MetricPorts } from './definition.ts';
import { porterStem } from './porter-stemmer.ts';
import { METRICS } from './registry.ts';
import { type RougeType, rougeScore } from './rouge.ts';

const row = (prediction: string, ...references: string[]): PredictionRow => ({
  id: 'r0',
  prompt: '',
  prediction,
  references,
});

describe('porterStem', () => {
  it('stems as NLTK does', () => {
    for (const [word, stem] of fixture.stems) expect(porterStem(word), word).toBe(stem);
  });
});

describe('rougeScore', () => {
  it('has the precision, recall and F of rouge-score, with and without stemmer', () => {
    for (const [target, prediction, stemmer, expected] of fixture.rouge as [
      string,
      string,
      boolean,
      Record<RougeType, number[]>,
    ][]) {
      for (const [type, [precision, recall, f]] of Object.entries(expected)) {
        const found = rougeScore(type as RougeType, target, prediction, stemmer);
        expect([found.precision, found.recall, found.f], `${type}: ${prediction}`).toEqual(
          [precision, recall, f].map((value) => expect.closeTo(value, 12)),
        );
      }
    }
  });

  it('takes the best reference, and says in its name when words are stemmed', () => {
    const rows = [row('cats running', 'dogs', 'cat runs')];
    const [plain] = METRICS.rouge1.prepare(rows, {}, {});
    const [stemmed] = METRICS.rouge1.prepare(rows, { use_stemmer: true }, {});
    expect(plain.perItem).toEqual([0]);
    expect(stemmed).toMatchObject({ perItem: [1], variant: 'porter' });
  });
});

describe("LLaMA-Factory's metrics", () => {
  const words = new Map(
    fixture.llamafactory.flatMap(
      (c) =>
        [
          [c.pred, c.predWords],
          [c.label, c.labelWords],
        ] as const,
    ),
  );
  const jieba: MetricPorts = { segmentChinese: (text) => words.get(text)! };
  const names = ['bleu-4', 'rouge-1', 'rouge-2', 'rouge-l'] as const;

  it.each(fixture.llamafactory.map((c) => [c.pred, c] as const))(
    'equal the recipe to the last digit: %j',
    (_, expected) => {
      for (const name of names) {
        const [prepared] = METRICS[`${name}@llamafactory`].prepare(
          [row(expected.pred, expected.label)],
          {},
          jieba,
        );
        expect(prepared.perItem, name).toEqual([expected[name]]);
        expect(prepared.variant).toBeUndefined();
      }
    },
  );

  it('are marked: they are for comparison only, and name the cut that was used', () => {
    for (const name of names) expect(METRICS[`${name}@llamafactory`].comparisonOnly).toBe(true);
    expect(METRICS.rouge1.comparisonOnly).toBe(false);
    const [prepared] = METRICS['rouge-1@llamafactory'].prepare([row('我去了 Paris。', '我去 Paris')], {}, {});
    // 我 去 了 Paris 。 against 我 去 Paris; the space is an empty word of neither.
    expect(prepared.variant).toBe('han-chars');
    expect(prepared.perItem![0]).toBeCloseTo((200 * (3 / 5)) / (3 / 5 + 1), 4);
  });
});
