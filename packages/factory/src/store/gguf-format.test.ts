// A file that is written gives the reader what went in, whatever that was.
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readGgufHeader } from '#factory/model/gguf/header.ts';
import type { GgufField, GgufScalarType } from '#factory/records/gguf.ts';
import { writeAtomic } from './atomic-file.ts';
import { encodeGguf, type GgufTensorToWrite, ggufFileBytes } from './gguf-format.ts';

const dir = mkdtempSync(join(tmpdir(), 'gguf-format-'));
afterAll(() => rmSync(dir, { recursive: true }));

const VALUES: Record<GgufScalarType, fc.Arbitrary<number | bigint | boolean | string>> = {
  uint8: fc.nat(255),
  int8: fc.integer({ min: -128, max: 127 }),
  uint16: fc.nat(65535),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint32: fc.nat(2 ** 32 - 1),
  int32: fc.integer(),
  float32: fc.float(),
  bool: fc.boolean(),
  string: fc.string({ unit: 'binary' }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: fc.double(),
};
const field: fc.Arbitrary<GgufField> = fc
  .constantFrom(...(Object.keys(VALUES) as GgufScalarType[]))
  .chain((type) =>
    fc.oneof(
      VALUES[type].map((value): GgufField => ({ type, value })),
      fc
        .array(VALUES[type], { maxLength: 9 })
        .map((value): GgufField => ({ type: 'array', of: type, value })),
    ),
  );

function tensor(name: string, shape: number[], type: 'F32' | 'F16' | 'Q8_0'): GgufTensorToWrite {
  const count = shape.reduce((n, d) => n * d, 1);
  const bytes = { F32: 4 * count, F16: 2 * count, Q8_0: (count / 32) * 34 }[type];
  const data = Uint8Array.from({ length: bytes }, (_, i) => (i * 7) % 251);
  return {
    name,
    shape,
    type,
    async *pieces() {
      yield data.subarray(0, bytes >> 1);
      yield data.subarray(bytes >> 1);
    },
  };
}

test('what was written is read', async () => {
  const path = join(dir, 'any.gguf');
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), field), {
        selector: ([key]) => key,
        maxLength: 12,
      }),
      fc.uniqueArray(
        fc.record({
          name: fc.string({ minLength: 1, maxLength: 60 }),
          type: fc.constantFrom('F32', 'F16', 'Q8_0'),
          rows: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
          blocks: fc.integer({ min: 1, max: 3 }),
        }),
        { selector: ({ name }) => name, maxLength: 5 },
      ),
      async (entries, described) => {
        fc.pre(entries.every(([key]) => key !== 'general.alignment'));
        const fields = new Map(entries);
        const tensors = described.map(({ name, type, rows, blocks }) =>
          tensor(name, [...rows, type === 'Q8_0' ? 32 * blocks : blocks], type),
        );
        const { bytes } = await writeAtomic(path, encodeGguf(fields, tensors));
        expect(bytes).toBe(ggufFileBytes(fields, tensors));
        const file = await open(path);
        try {
          const header = await readGgufHeader(file, path);
          expect([...header.metadata]).toEqual(
            entries.map(([key, { type, value }]) => [
              key,
              type === 'array' ? [...(value as unknown[])] : value,
            ]),
          );
          expect([...header.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
          for (const { name, shape, type, pieces } of tensors) {
            const found = header.tensors.get(name)!;
            expect(found.shape).toEqual(shape);
            expect(found.type.name).toBe(type);
            expect(found.start % 32).toBe(0);
            const data = Buffer.alloc(found.bytes);
            await file.read(data, 0, found.bytes, found.start);
            const whole: Uint8Array[] = [];
            for await (const piece of pieces()) whole.push(piece as Uint8Array);
            expect(data.equals(Buffer.concat(whole))).toBe(true);
          }
        } finally {
          await file.close();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a vocabulary larger than the first piece of memory', async () => {
  const path = join(dir, 'large.gguf');
  const tokens = Array.from({ length: 9_000 }, (_, i) => `token ${i} ${'x'.repeat(i % 40)}`);
  const fields = new Map<string, GgufField>([
    ['tokens', { type: 'array', of: 'string', value: tokens }],
    ['kinds', { type: 'array', of: 'int32', value: tokens.map((_, i) => i) }],
  ]);
  await writeAtomic(path, encodeGguf(fields, [tensor('a', [4], 'F32')]));
  const file = await open(path);
  const { metadata } = await readGgufHeader(file, path);
  await file.close();
  expect(metadata.get('tokens')).toEqual(tokens);
  expect(metadata.get('kinds')).toEqual(tokens.map((_, i) => i));
});

test('a tensor of the wrong length is not written', async () => {
  const path = join(dir, 'short.gguf');
  const short = { ...tensor('a', [4], 'F32'), *pieces() {} };
  await expect(writeAtomic(path, encodeGguf(new Map(), [short]))).rejects.toThrow('0 bytes where 16 belong');
  await expect(open(path)).rejects.toThrow('ENOENT');
});
