import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNear, nearDuplicateGroups, overlaps, shingles } from './near-duplicates.ts';

const A = 'Dear friend, you have won 500 dollars in our great summer lottery, call today';
const B = 'dear friend: you have WON 900 dollars in our great summer lottery! Call now';
const C = 'The patch for the kernel module compiles here, but the tests hang on my machine';

describe('near-duplicates', () => {
  it('sees through case, digits and punctuation', () => {
    expect(nearDuplicateGroups([A, C, B])).toEqual([0, 1, 0]);
  });

  it('counts a short text inside a long one', () => {
    const [pair] = [...overlaps([A], [`${C} ${A} ${C}`])];
    expect(pair!.containment).toBe(1);
    expect(isNear(pair!)).toBe(true);
  });

  it('joins through a third text', () => {
    const words = Array.from({ length: 30 }, (_, i) => `w${String.fromCharCode(97 + i)}`);
    const chain = [0, 4, 8].map((start) => words.slice(start, start + 18).join(' '));
    expect(new Set(nearDuplicateGroups(chain)).size).toBe(1);
    expect(new Set(nearDuplicateGroups([chain[0]!, chain[2]!])).size).toBe(2);
  });

  it('agrees with comparing every pair of sets', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 9 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), fc.array(text, { maxLength: 6 }), (left, right) => {
        const found = new Map(
          [...overlaps(left, right)].map((pair) => [`${pair.a} ${pair.b}`, pair.jaccard]),
        );
        left.forEach((x, a) => {
          right.forEach((y, b) => {
            const [p, q] = [shingles(x), shingles(y)];
            const shared = [...p].filter((shingle) => q.has(shingle)).length;
            const expected = shared === 0 ? undefined : shared / new Set([...p, ...q]).size;
            expect(found.get(`${a} ${b}`)).toBe(expected);
          });
        });
      }),
    );
  });
});
