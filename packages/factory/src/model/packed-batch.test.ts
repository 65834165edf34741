// Packing loses no token, mixes no rows and keeps every label.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { countLabels, packBatch } from './packed-batch.ts';

const row: fc.Arbitrary<EncodedExample> = fc
  .array(fc.tuple(fc.nat(1000), fc.boolean()), { minLength: 1, maxLength: 12 })
  .map((tokens) => ({
    inputIds: Int32Array.from(tokens, ([id]) => id),
    labels: Int32Array.from(tokens, ([id, isLabel]) => (isLabel ? id : -100)),
  }));
const rows = fc.array(row, { minLength: 1, maxLength: 6 });

test('every token appears once, at its place and position', () => {
  fc.assert(
    fc.property(rows, (examples) => {
      const batch = packBatch(examples);
      expect([...batch.ids]).toEqual(examples.flatMap((e) => [...e.inputIds]));
      expect([...batch.positions]).toEqual(examples.flatMap((e) => [...e.inputIds.keys()]));
      expect(batch.rows).toBe(examples.length);
      expect(batch.width).toBe(Math.max(...examples.map((e) => e.inputIds.length)));
      let n = 0;
      examples.forEach(({ inputIds }, r) => {
        for (let t = 0; t < batch.width; t++) {
          const slot = r * batch.width + t;
          expect(batch.real[slot]).toBe(t < inputIds.length ? 1 : 0);
          if (t >= inputIds.length) continue;
          expect(batch.slotOf[slot]).toBe(n);
          expect(batch.place[n++]).toBe(slot);
        }
      });
      // Padding slots are read too, so they must name a token that exists.
      for (const token of batch.slotOf) expect(token).toBeLessThan(batch.ids.length);
    }),
  );
});

test('every label but the first of a row is predicted from the token before it', () => {
  fc.assert(
    fc.property(rows, (examples) => {
      const batch = packBatch(examples);
      expect(batch.targets.length).toBe(examples.reduce((n, e) => n + countLabels(e), 0));
      let start = 0;
      examples.forEach(({ inputIds, labels }, r) => {
        const expected = [...labels.keys()].filter((t) => t > 0 && labels[t] !== -100);
        const [from, to] = [batch.labelStart[r], batch.labelStart[r + 1]];
        expect([...batch.labelIndex.subarray(from, to)]).toEqual(expected.map((t) => start + t - 1));
        expect([...batch.targets.subarray(from, to)]).toEqual(expected.map((t) => labels[t]));
        start += inputIds.length;
      });
    }),
  );
});

test('a row of one token has no label to learn', () => {
  const batch = packBatch([{ inputIds: Int32Array.of(5), labels: Int32Array.of(5) }]);
  expect(batch.targets.length).toBe(0);
  expect([...batch.labelStart]).toEqual([0, 0]);
});

/** Packed rows of one to four parts, beside the parts alone. */
const packed = fc.array(fc.array(row, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });

function joined(parts: readonly EncodedExample[]): EncodedExample {
  let at = 0;
  const starts = parts.map(({ inputIds }) => {
    at += inputIds.length;
    return at - inputIds.length;
  });
  return {
    inputIds: Int32Array.from(parts.flatMap((e) => [...e.inputIds])),
    labels: Int32Array.from(parts.flatMap((e) => [...e.labels])),
    starts,
  };
}

test('parts of packed rows are laid out as rows of their own, in a grid no larger than one row per part', () => {
  fc.assert(
    fc.property(packed, (packs) => {
      const batch = packBatch(packs.map(joined));
      const alone = packBatch(packs.flat());
      for (const key of ['ids', 'positions', 'labelIndex', 'targets'] as const)
        expect(batch[key]).toEqual(alone[key]);
      expect(packs.map((parts) => countLabels(joined(parts)))).toEqual(
        packs.map((parts) => parts.reduce((n, part) => n + countLabels(part), 0)),
      );
      expect([...batch.labelStart]).toEqual([
        ...packs.map((_, i) => alone.labelStart[packs.slice(0, i).flat().length]),
        alone.targets.length,
      ]);
      expect(batch.width).toBe(alone.width);
      expect(batch.rows).toBeLessThanOrEqual(alone.rows);
      // Every token has a slot of its own, and the slots of its part begin where the part does.
      expect(new Set(batch.place).size).toBe(batch.ids.length);
      batch.place.forEach((slot, n) => {
        expect([batch.slotOf[slot], batch.real[slot]]).toEqual([n, 1]);
        const start = batch.partStart?.[slot] ?? 0;
        expect((slot % batch.width) - start).toBe(batch.positions[n]);
      });
      expect(batch.real.reduce((a, b) => a + b, 0)).toBe(batch.ids.length);
    }),
  );
});
