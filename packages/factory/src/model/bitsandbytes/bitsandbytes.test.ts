// Codes, packed bytes, scales and values agree with bitsandbytes bit for bit (fixtures/bitsandbytes/make.py).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dynamicMap } from '@tunesmith/engine';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FOUR_BIT_CODES } from './codes.ts';
import { dequantise8Bit, quantise8Bit } from './eight-bit.ts';
import { dequantise4Bit, type NestedScales, quantise4Bit } from './four-bit.ts';

type Part = Record<string, string>;
interface Case {
  name: string;
  shape: [number, number];
  values: string;
  [kind: string]: unknown;
}
const { codes, cases } = JSON.parse(
  readFileSync(new URL('../fixtures/bitsandbytes/vectors.json', import.meta.url), 'utf8'),
) as { codes: Part; cases: Case[] };

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const floats = (text: string) => new Float32Array(bytes(text).buffer);
const from = (values: Float32Array) => (a: number, b: number) => values.subarray(a, b);

/** -0 and 0 are one value. */
const digest = (values: Float32Array) =>
  createHash('sha256')
    .update(values.map((v) => v + 0))
    .digest('hex');

test('the code books', () => {
  expect(FOUR_BIT_CODES.nf4).toEqual(floats(codes.nf4));
  // Their fp4 has a negative zero.
  expect(FOUR_BIT_CODES.fp4.map((v) => v + 0)).toEqual(floats(codes.fp4).map((v) => v + 0));
  expect(dynamicMap(true)).toEqual(floats(codes.dynamic));
});

const fourBit = cases.flatMap((c) =>
  (['nf4', 'fp4'] as const).flatMap((kind) =>
    [false, true].flatMap((nested) => {
      const part = c[`${kind}${nested ? ' nested' : ''}`] as Part | undefined;
      return part ? [{ ...c, kind, nested, part }] : [];
    }),
  ),
);

describe('4 bits', () => {
  test.each(fourBit)('$name $shape $kind, nested $nested', ({ shape, values, kind, nested, part }) => {
    const made = quantise4Bit(from(floats(values)), shape, kind, nested);
    expect(made.packed).toEqual(bytes(part.packed));
    const out = new Float32Array(shape[0] * shape[1]);
    if (made.absmax instanceof Float32Array) {
      expect(made.absmax).toEqual(floats(part.absmax));
      dequantise4Bit(made, out);
    } else {
      const [offset] = floats(part.offset);
      // The mean of float32 values, summed in another order: one unit in the last place.
      expect(Math.abs(made.absmax.offset - offset)).toBeLessThanOrEqual(Math.abs(offset) * 2 ** -22);
      expect(made.absmax.codes).toEqual(bytes(part.absmax));
      const theirs: NestedScales = { ...made.absmax, offset, scales: floats(part.scales) };
      dequantise4Bit({ ...made, absmax: theirs }, out);
    }
    expect(digest(out)).toBe(part.dequantised);
  });

  test('what is a code value already comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('nf4' as const, 'fp4' as const),
        fc.array(fc.array(fc.nat(15), { minLength: 64, maxLength: 64 }), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: -20, max: 20 }),
        (kind, blocks, exponent) => {
          const code = FOUR_BIT_CODES[kind];
          const largest = code.indexOf(1);
          const values = Float32Array.from(
            blocks.flatMap((block) => [largest, ...block.slice(1)].map((c) => code[c] * 2 ** exponent)),
          );
          const out = new Float32Array(values.length);
          dequantise4Bit(quantise4Bit(from(values), [blocks.length, 64], kind, false), out);
          expect(out.map((v) => v + 0)).toEqual(values.map((v) => v + 0));
        },
      ),
    );
  });
});

describe('8 bits', () => {
  test.each(cases.filter((c) => c.int8))('$name $shape', ({ shape, values, int8 }) => {
    const part = int8 as Part;
    const made = quantise8Bit(from(floats(values)), shape);
    expect(new Uint8Array(made.values.buffer)).toEqual(bytes(part.values));
    expect(made.rowMax).toEqual(floats(part.rowMax));
    const out = new Float32Array(shape[0] * shape[1]);
    dequantise8Bit(made, out);
    expect(digest(out)).toBe(part.dequantised);
  });
});
