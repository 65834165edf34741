// Single rows of a matrix come out as float32, whichever way it rests.
import { expect, test } from 'vitest';
import { f16ToF32, f32ToF16 } from './half.ts';
import { decodeRow, embedRows } from './half-rows.ts';
import type { StoredWeight } from './parameter.ts';

const values = Float32Array.from({ length: 12 }, (_, i) => i / 7 - 1);
const plain: StoredWeight = { shape: [4, 3], dtype: 'f32', data: values };
// A view into a larger buffer, as a reader may hand out.
const buffer = new Uint16Array(20);
buffer.set(f32ToF16(values), 5);
const half: StoredWeight = { shape: [4, 3], dtype: 'f16', data: buffer.subarray(5, 17) };

test.each([
  ['f32', plain, values],
  ['f16', half, f16ToF32(f32ToF16(values))],
])('rows of an %s matrix', (_, weight, expected) => {
  const row = new Float32Array(3);
  for (const i of [0, 3, 1]) {
    decodeRow(weight, i, row);
    expect(row).toEqual(expected.slice(3 * i, 3 * i + 3));
  }
  const out = new Float32Array(9);
  embedRows(weight, Int32Array.of(2, 0, 2), out);
  const [first, third] = [expected.slice(0, 3), expected.slice(6, 9)];
  expect([...out]).toEqual([...third, ...first, ...third]);
});
