// Choosing a token: Hugging Face's warpers on vectors worked out by hand, and frequencies of many draws.
import { describe, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { type SamplingOptions, sampleToken } from './sample-token.ts';

const plain: SamplingOptions = { doSample: true, temperature: 1, topK: 0, topP: 1, repetitionPenalty: 1 };
const logsOf = (probabilities: number[]) => Float32Array.from(probabilities, Math.log);
/** The token that each of n evenly spread random numbers chooses, as shares. */
function shares(logits: Float32Array, options: Partial<SamplingOptions>, seen: number[] = [], n = 1000) {
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < n; i++)
    counts[sampleToken(logits.slice(), seen, { ...plain, ...options }, () => (i + 0.5) / n)]++;
  return counts.map((c) => c / n);
}

describe('greedy', () => {
  test.each([{ doSample: false }, { temperature: 0 }])(
    '%o takes the best token, the first of equals',
    (o) => {
      const logits = Float32Array.of(1, 3, 3, -2);
      const never = () => {
        throw new Error('drew a random number');
      };
      expect(sampleToken(logits, [], { ...plain, ...o }, never)).toBe(1);
    },
  );

  test('a repetition penalty divides positive logits and multiplies negative ones, once per token', () => {
    const choose = (logits: number[], seen: number[]) =>
      sampleToken(
        Float32Array.from(logits),
        seen,
        { ...plain, doSample: false, repetitionPenalty: 2 },
        () => 0,
      );
    expect(choose([3, 2, -1], [])).toBe(0);
    expect(choose([3, 2, -1], [0])).toBe(1);
    // 3 / 2 stays above 1; were the penalty applied for each occurrence, 3 / 8 would not.
    expect(choose([3, 1, -1], [0, 0, 0])).toBe(0);
    // −1 becomes −2 and falls behind −1.5.
    expect(choose([-1, -1.5], [0])).toBe(1);
  });
});

describe('sampling', () => {
  const logits = logsOf([0.1, 0.4, 0.2, 0.3]);

  test('follows the distribution', () => {
    expect(shares(logits, {})).toEqual([0.1, 0.4, 0.2, 0.3]);
  });

  test('a temperature sharpens or flattens it', () => {
    const squared = [0.01, 0.16, 0.04, 0.09].map((p) => p / 0.3);
    shares(logits, { temperature: 0.5 }).forEach((p, i) => {
      expect(p).toBeCloseTo(squared[i], 2);
    });
    for (const p of shares(logits, { temperature: 1e4 })) expect(p).toBeCloseTo(0.25, 2);
  });

  test('top-k keeps the k best, and those equal to the last of them', () => {
    expect(shares(logits, { topK: 1 })).toEqual([0, 1, 0, 0]);
    shares(logits, { topK: 2 }).forEach((p, i) => {
      expect(p).toBeCloseTo([0, 4 / 7, 0, 3 / 7][i], 2);
    });
    expect(shares(logits, { topK: 4 })).toEqual(shares(logits, {}));
    expect(shares(logits, { topK: 100 })).toEqual(shares(logits, {}));
    shares(Float32Array.of(1, 0, 1, 1), { topK: 2 }).forEach((p, i) => {
      expect(p).toBeCloseTo([1 / 3, 0, 1 / 3, 1 / 3][i], 2);
    });
  });

  test('top-p keeps the smallest set that reaches the mass', () => {
    expect(shares(logits, { topP: 0.35 })).toEqual([0, 1, 0, 0]);
    shares(logits, { topP: 0.65 }).forEach((p, i) => {
      expect(p).toBeCloseTo([0, 4 / 7, 0, 3 / 7][i], 2);
    });
    expect(shares(logits, { topP: 0 })).toEqual([0, 1, 0, 0]);
    // 0.4 + 0.3 + 0.2 is short of 0.95, so the last one is needed as well.
    expect(shares(logits, { topP: 0.95 })[0]).toBeCloseTo(0.1, 2);
  });

  test('top-p counts the mass after temperature and top-k', () => {
    // Of the two best, 4/7 is below 0.6, so both stay.
    expect(shares(logits, { topK: 2, topP: 0.6 }).filter((p) => p > 0)).toHaveLength(2);
    expect(shares(logits, { topK: 2, topP: 0.57 }).filter((p) => p > 0)).toHaveLength(1);
    // Squared, the best one has 0.53 of the mass.
    expect(shares(logits, { temperature: 0.5, topP: 0.5 })).toEqual([0, 1, 0, 0]);
  });

  test('a repetition penalty comes before the temperature', () => {
    const penalised = shares(Float32Array.of(2, 0), { repetitionPenalty: 2, temperature: 0.5 }, [0], 10_000);
    expect(penalised[0]).toBeCloseTo(1 / (1 + Math.exp(-2)), 3);
  });

  test('seeded draws have the right frequencies and repeat', () => {
    const probabilities = [0.05, 0.15, 0.3, 0.5];
    const draw = () => {
      const random = seededRandom('draws');
      return Array.from({ length: 20_000 }, () =>
        sampleToken(logsOf(probabilities), [], plain, () => random.next()),
      );
    };
    const drawn = draw();
    probabilities.forEach((p, id) => {
      const share = drawn.filter((d) => d === id).length / drawn.length;
      expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / drawn.length));
    });
    expect(draw()).toEqual(drawn);
  });

  test('extreme logits choose an id in range', () => {
    for (const values of [
      [Number.NEGATIVE_INFINITY, 0],
      [3e38, -3e38],
      [0, 0],
    ])
      for (const u of [0, 0.5, 1 - 2 ** -53]) {
        const id = sampleToken(Float32Array.from(values), [], plain, () => u);
        expect([0, 1]).toContain(id);
        if (values[0] === Number.NEGATIVE_INFINITY) expect(id).toBe(1);
      }
  });
});
