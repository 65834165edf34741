// Values of every block type agree with gguf-py bit for bit (fixtures/gguf/make_blocks.py).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BLOCK_TYPES } from './block-types.ts';

interface Case {
  type: number;
  name: string;
  size: number;
  bytes: number;
  blocks: string;
  digest: string;
}
const cases = JSON.parse(
  readFileSync(new URL('../fixtures/gguf/blocks.json', import.meta.url), 'utf8'),
) as Case[];

test('every packed type has a case', () => {
  const packed = [...BLOCK_TYPES].filter(([, t]) => t.plain === null).map(([id]) => id);
  expect(cases.map((c) => c.type).sort()).toEqual(packed.sort());
});

test.each(cases)('$name', ({ type, name, size, bytes, blocks, digest }) => {
  const block = BLOCK_TYPES.get(type);
  expect(block).toMatchObject({ name, size, bytes });
  const from = new Uint8Array(Buffer.from(blocks, 'base64'));
  const count = from.length / bytes;
  const out = new Float32Array(count * size);
  block?.expand(from, 0, count, out, 0);
  const sum = createHash('sha256')
    .update(out.map((v) => v + 0))
    .digest('hex');
  expect(sum).toBe(digest);
  // Block by block, and to another place, the same.
  const moved = new Float32Array(out.length + 5);
  for (let b = 0; b < count; b++) block?.expand(from, b * bytes, 1, moved, b * size + 5);
  expect(moved.subarray(5)).toEqual(out);
});
