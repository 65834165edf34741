// In: a key and a rate, or a bound. Out: the same dropout mask, or the same noise, for the same key, so that the backward
// pass and a resumed run make it again instead of storing it.
import { createHash } from 'node:crypto';

/** `count` values, each 0 with probability `rate` and 1 / (1 - rate) otherwise. */
export function dropoutMask(key: string, count: number, rate: number): Float32Array {
  const { from, step } = counter(key);
  const mask = new Float32Array(count);
  const kept = 1 / (1 - rate);
  const threshold = rate * 2 ** 32;
  let state = from;
  for (let i = 0; i < count; i++) {
    state = (state + step) | 0;
    mask[i] = mixed(state) < threshold ? 0 : kept;
  }
  return mask;
}

/** Adds noise, uniform in ±bound, to `values`. */
export function addUniformNoise(key: string, values: Float32Array, bound: number): void {
  const { from, step } = counter(key);
  const unit = bound / 2 ** 31;
  let state = from;
  for (let i = 0; i < values.length; i++) {
    state = (state + step) | 0;
    values[i] += (mixed(state) - 2 ** 31) * unit;
  }
}

function counter(key: string): { from: number; step: number } {
  const seed = createHash('sha256').update(key).digest();
  return { from: seed.readUInt32LE(0), step: seed.readUInt32LE(4) | 1 };
}

/** SplitMix32-style counter hash: a few integer operations for 32 bits. */
function mixed(state: number): number {
  let z = state;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
