// The pool hands buffers out again, keeps its sums right and holds no more than it must.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BufferPool, roundedSize } from './buffer-pool.ts';

const bytes = fc.integer({ min: 0, max: 2 ** 22 });

describe('roundedSize', () => {
  test('is enough, at most an eighth or a page more, and stays where it is', () => {
    fc.assert(
      fc.property(bytes, (n) => {
        const size = roundedSize(n);
        expect(size).toBeGreaterThanOrEqual(n);
        expect(size - n).toBeLessThan(Math.max(4096, n / 8 + 1));
        expect(roundedSize(size)).toBe(size);
      }),
    );
  });
});

describe('BufferPool', () => {
  test('counts what is used and what is free through any order of calls', () => {
    const call = fc.oneof(
      fc.record({ take: bytes }),
      fc.record({ give: fc.nat() }),
      fc.record({ trim: bytes }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const pool = new BufferPool();
        const used: ArrayBuffer[] = [];
        let peak = 0;
        for (const c of calls) {
          if ('take' in c) {
            const buffer = pool.take(c.take);
            expect(buffer.byteLength).toBeGreaterThanOrEqual(c.take);
            // Nobody else has it.
            expect(used).not.toContain(buffer);
            used.push(buffer);
          } else if ('give' in c && used.length > 0) {
            pool.give(used.splice(c.give % used.length, 1)[0]);
          } else if ('trim' in c) {
            const before = pool.freeBytes;
            pool.trim(c.trim);
            expect(pool.freeBytes).toBeLessThanOrEqual(Math.min(before, c.trim));
          }
          expect(pool.usedBytes).toBe(used.reduce((n, b) => n + b.byteLength, 0));
          peak = Math.max(peak, pool.usedBytes + pool.freeBytes);
          expect(pool.peakBytes).toBe(peak);
        }
      }),
    );
  });

  test('rounds of differing lengths stop growing', () => {
    const pool = new BufferPool();
    const round = (length: number) => {
      const buffers = [1, 2, 2, 5].map((n) => pool.take(n * length * 64));
      for (const buffer of buffers) pool.give(buffer);
    };
    for (let length = 100; length < 200; length++) round(length);
    const held = pool.freeBytes;
    for (let i = 0; i < 500; i++) round(100 + ((i * 37) % 100));
    expect(pool.freeBytes).toBe(held);
    expect(pool.usedBytes).toBe(0);
  });

  test('trimming drops the largest first, and all of them at 0', () => {
    const pool = new BufferPool();
    for (const buffer of [4096, 65_536, 1_048_576].map((n) => pool.take(n))) pool.give(buffer);
    pool.trim(100_000);
    expect(pool.freeBytes).toBe(4096 + 65_536);
    pool.trim(0);
    expect(pool.freeBytes).toBe(0);
  });
});
