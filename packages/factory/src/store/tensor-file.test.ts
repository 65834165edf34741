import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTensors, encodeTensors, type StateTensor } from './tensor-file.ts';

const whole = (pieces: ArrayBufferView[]) =>
  Uint8Array.from(Buffer.concat(pieces.map((p) => new Uint8Array(p.buffer, p.byteOffset, p.byteLength))));

const sample = new Map<string, StateTensor>([
  [
    'model.layers.0.q_proj.exp_avg',
    { dtype: 'F32', shape: [2, 3], data: new Float32Array([1, -2, 3.5, Number.NaN, -0, 1e-40]) },
  ],
  ['step', { dtype: 'I32', shape: [], data: new Int32Array([-7]) }],
  ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
]);

test('tensors come back bit by bit, the same bytes whatever the order of insertion', () => {
  const bytes = whole(encodeTensors(sample, { step: '12' }));
  const { tensors, metadata } = decodeTensors(bytes, 'x');
  expect(metadata).toEqual({ step: '12' });
  expect(tensors.size).toBe(3);
  for (const [name, { dtype, shape, data }] of sample) {
    const read = tensors.get(name)!;
    expect([read.dtype, read.shape]).toEqual([dtype, shape]);
    expect(new Uint8Array(read.data.buffer)).toEqual(new Uint8Array(data.buffer));
  }
  expect(whole(encodeTensors(new Map([...sample].reverse()), { step: '12' }))).toEqual(bytes);
});

test('bytes at an odd offset of a larger buffer are read', () => {
  const bytes = whole(encodeTensors(sample));
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(decodeTensors(shifted.subarray(3), 'x').tensors.get('step')!.data[0]).toBe(-7);
});

test('a shape that does not fit its data is a bug of the caller', () => {
  const wrong = new Map([['w', { dtype: 'F32' as const, shape: [3], data: new Float32Array(2) }]]);
  expect(() => encodeTensors(wrong)).toThrow(/internal: tensor w/);
});

test('truncated and altered files are STORE_CHECKPOINT_DAMAGED or still decode, never anything else', () => {
  const bytes = whole(encodeTensors(sample));
  const damaged = expect.objectContaining({ code: 'STORE_CHECKPOINT_DAMAGED', remedy: expect.any(String) });
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeTensors(bytes.subarray(0, length), 'optimizer.safetensors')).toThrow(damaged);
  }
  const law = fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
    const altered = Uint8Array.from(bytes);
    altered[at] ^= flip;
    try {
      decodeTensors(altered, 'optimizer.safetensors');
    } catch (error) {
      expect(error).toEqual(damaged);
    }
  });
  fc.assert(law, { numRuns: 500 });
});
