import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { assetPath } from '../../../../test/assets.ts';
import {
  encodeLazily,
  encodeSafetensors,
  parseSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsReader,
  type SafetensorsTensor,
} from './safetensors-format.ts';

const READER: SafetensorsReader = { code: 'MODEL_BAD_FILE', remedy: 'Get the file again.' };
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(dir, { recursive: true }));

function bytesOf(pieces: ArrayBufferView[]): Buffer {
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)));
}

async function headerOf(bytes: Uint8Array) {
  const path = join(dir, 'x.safetensors');
  await writeFile(path, bytes);
  const file = await open(path, 'r');
  try {
    return await readSafetensorsHeader(file, path, READER);
  } finally {
    await file.close();
  }
}

const tensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom('F32' as const, 'F16' as const, 'BF16' as const),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  }),
  { selector: (tensor) => tensor.name, maxLength: 6 },
);

function filled({ name, dtype, shape }: Omit<SafetensorsTensor, 'data'>): SafetensorsTensor {
  const count = shape.reduce((total, size) => total * size, 1);
  const data = dtype === 'F32' ? new Float32Array(count) : new Uint16Array(count);
  return { name, dtype, shape, data: data.map((_: number, i: number) => i + 1) };
}

describe('the safetensors layout', () => {
  it('reads back what it wrote, and writes the same bytes whatever the order', () =>
    fc.assert(
      fc.asyncProperty(tensors, async (plans) => {
        const written = plans.map(filled);
        const bytes = bytesOf(encodeSafetensors(written, { format: 'pt', a: 'b' }));
        expect(
          bytesOf(encodeSafetensors([...written].reverse(), { a: 'b', format: 'pt' })).equals(bytes),
        ).toBe(true);
        const { tensors: read, metadata } = await headerOf(bytes);
        expect(metadata).toEqual({ a: 'b', format: 'pt' });
        expect(read.size).toBe(written.length);
        for (const { name, dtype, shape, data } of written) {
          const entry = read.get(name)!;
          expect(entry).toMatchObject({ dtype, shape });
          expect(bytes.subarray(entry.start, entry.end)).toEqual(Buffer.from(data.buffer));
        }
      }),
      { numRuns: 50 },
    ));

  for (const asset of [
    'models/stories260K-hf/model.safetensors',
    'vectors/stories260K_hf_reference/lora_qv_r8_after20/adapter_model.safetensors',
  ]) {
    const path = assetPath(asset);
    it.skipIf(!path)(`writes ${asset} byte for byte as the format's own library does`, async () => {
      const original = await readFile(path!);
      const { tensors: entries, metadata } = await headerOf(original);
      const again = [...entries].map(([name, { shape, start, end }]) => ({
        name,
        dtype: 'F32' as const,
        shape,
        data: new Float32Array(
          original.buffer.slice(original.byteOffset + start, original.byteOffset + end) as ArrayBuffer,
        ),
      }));
      expect(bytesOf(encodeSafetensors(again, metadata)).equals(original)).toBe(true);
    });
  }

  const good = bytesOf(encodeSafetensors([filled({ name: 'w', dtype: 'F32', shape: [2, 3] })]));
  const withHeader = (json: string, data = 24) => {
    const text = Buffer.from(json);
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([start, text, Buffer.alloc(data)]);
  };
  const one = (entry: object) =>
    withHeader(JSON.stringify({ w: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24], ...entry } }));

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', Buffer.alloc(0), /at least 8 bytes, found 0/],
    ['a file cut short', good.subarray(0, good.length - 1), /cut short/],
    ['a cut header', good.subarray(0, 20), /a header length of/],
    ['spare bytes', Buffer.concat([good, Buffer.alloc(3)]), /belong to no tensor/],
    ['a huge header length', Buffer.from('ffffffffffffffff00', 'hex'), /header length/],
    [
      'a Git LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4\n'),
      /Git LFS pointer/,
    ],
    ['an HTML page', Buffer.from('<!DOCTYPE html><html></html>'), /HTML page/],
    ['a pickle', Buffer.from('PK\u0003\u0004aaaaaaaaaaaa'), /pickle/],
    ['broken JSON', withHeader('{"w":'), /JSON header/],
    ['a list', withHeader('[]', 0), /JSON object/],
    ['an unknown dtype', one({ dtype: 'F31' }), /known dtype for tensor w, found "F31"/],
    ['a negative size', one({ shape: [-2, 3] }), /sizes as shape of tensor w/],
    ['a size beyond counting', one({ shape: [2 ** 50, 2 ** 50] }), /bytes for tensor w/],
    ['falling offsets', one({ data_offsets: [24, 0] }), /rising byte offsets/],
    [
      'offsets of another length',
      one({ data_offsets: [0, 20] }),
      /24 bytes for tensor w .F32 .2,3.., found 20/,
    ],
    [
      'a hole',
      withHeader(JSON.stringify({ w: { dtype: 'F32', shape: [5], data_offsets: [4, 24] } })),
      /begin at byte/,
    ],
    [
      'an overlap',
      withHeader(
        JSON.stringify({
          v: { dtype: 'F32', shape: [4], data_offsets: [0, 16] },
          w: { dtype: 'F32', shape: [4], data_offsets: [8, 24] },
        }),
      ),
      /begin at byte/,
    ],
    ['metadata that is not text', withHeader(JSON.stringify({ __metadata__: { a: 1 } }), 0), /__metadata__/],
  ])('names what is wrong with %s', async (_, bytes, message) => {
    const error = await headerOf(bytes).catch((e) => e);
    expect(error).toBeInstanceOf(FactoryError);
    expect(error).toMatchObject({ code: 'MODEL_BAD_FILE', remedy: READER.remedy });
    expect(error.message).toMatch(message);
  });

  it('answers any bytes with a header or a typed error', () => {
    const json = fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text));
    const entry = fc.record(
      { dtype: fc.anything(), shape: fc.anything(), data_offsets: fc.anything() },
      { requiredKeys: [] },
    );
    const header = fc.dictionary(fc.string(), fc.oneof(entry, fc.anything())).map((value) => {
      try {
        return Buffer.from(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v)));
      } catch {
        return Buffer.from('{}');
      }
    });
    fc.assert(
      fc.property(
        fc.oneof(json, header, fc.uint8Array({ maxLength: 64 })),
        fc.integer({ min: 0, max: 1e15 }),
        (text, size) => {
          try {
            parseSafetensorsHeader(text, size, 'fuzz', READER);
          } catch (error) {
            expect(error).toBeInstanceOf(FactoryError);
            expect((error as FactoryError).remedy).not.toBe('');
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

it('a file that is written piece by piece has the same bytes', () => {
  const data = Float32Array.from({ length: 6 }, (_, i) => i / 3);
  const tensors = [
    { name: 'b', dtype: 'F32' as const, shape: [2, 3], data },
    { name: 'a', dtype: 'F16' as const, shape: [3], data: Uint16Array.of(1, 2, 3) },
  ];
  const lazy = tensors.map(({ data: values, ...tensor }) => ({
    ...tensor,
    pieces: () => [values.subarray(0, 2), values.subarray(2)],
  }));
  const bytes = (parts: Iterable<ArrayBufferView>) =>
    Buffer.concat([...parts].map((p) => Buffer.from(p.buffer, p.byteOffset, p.byteLength)));
  expect(bytes(encodeLazily(lazy, { format: 'pt' }))).toEqual(
    bytes(encodeSafetensors(tensors, { format: 'pt' })),
  );
});
