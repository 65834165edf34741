// In: a key and a rate. Out: the same dropout mask for the same key, so that the backward pass and a resumed run make it
// again instead of storing it.
import { createHash } from 'node:crypto';

/** `count` values, each 0 with probability `rate` and 1 / (1 - rate) otherwise. */
export function dropoutMask(key: string, count: number, rate: number): Float32Array {
  const seed = createHash('sha256').update(key).digest();
  const mask = new Float32Array(count);
  const kept = 1 / (1 - rate);
  const threshold = rate * 2 ** 32;
  // SplitMix32-style counter hash: a few integer operations per value.
  let state = seed.readUInt32LE(0);
  const step = seed.readUInt32LE(4) | 1;
  for (let i = 0; i < count; i++) {
    state = (state + step) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    z ^= z >>> 15;
    mask[i] = z >>> 0 < threshold ? 0 : kept;
  }
  return mask;
}
