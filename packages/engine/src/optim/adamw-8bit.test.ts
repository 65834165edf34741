// Twenty steps give the parameter, the codes and the scales of bitsandbytes (test/parity/optim/eight_bit.py).
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { adamw8BitRule } from './adamw-8bit.ts';
import { blockCount, dynamicMap, readBlock, writeBlock } from './block-codes.ts';
import { floats, Optimizer } from './optimizer.ts';

const facts = JSON.parse(
  readFileSync(new URL('../../../../test/parity/optim/eight-bit.json', import.meta.url), 'utf8'),
) as {
  count: number;
  steps: number;
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  values: Record<string, string>;
} & Record<'state1' | 'state2' | 'absmax1' | 'absmax2', string>;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const numbers = (text: string) => new Float32Array(bytes(text).buffer);

/** As in eight_bit.py. */
function noise(step: number): Float32Array {
  return Float32Array.from({ length: facts.count }, (_, i) => {
    if (i >= 512 && i < 768) return 0;
    let x = Math.imul(i + 1, 2654435761) ^ Math.imul(step * 40503 + 7, 2246822519);
    x ^= x >>> 15;
    x = Math.imul(x, 2654435761) >>> 0;
    return ((x / 2 ** 32 - 0.5) * ((i % 13) + 1)) / 13;
  });
}

const apart = (ours: Float32Array, theirs: Float32Array) =>
  Math.sqrt(ours.reduce((n, v, i) => n + (v - theirs[i]) ** 2, 0) / theirs.reduce((n, v) => n + v * v, 0));

test('twenty steps are those of bitsandbytes', async () => {
  const value = noise(0);
  const parameter = { name: 'p', shape: [facts.count], value, gradient: new Float32Array(facts.count) };
  const rule = adamw8BitRule({ beta1: facts.betas[0], beta2: facts.betas[1], eps: facts.eps });
  const optimizer = new Optimizer([parameter], () => ({ rule, lrScale: 1, weightDecay: facts.weight_decay }));
  for (let step = 1; step <= facts.steps; step++) {
    parameter.gradient.set(noise(step));
    await optimizer.step({ learningRate: facts.lr, step, gradScale: 1 });
    const theirs = facts.values[step];
    if (theirs) expect(apart(value, numbers(theirs)), `step ${step}`).toBeLessThan(1e-4);
  }
  const [state] = optimizer.states;
  for (const [name, codes, scales] of [
    ['m', facts.state1, facts.absmax1],
    ['v', facts.state2, facts.absmax2],
  ]) {
    expect(apart(floats(state, `${name}_scale`), numbers(scales))).toBeLessThan(1e-4);
    const ours = new Uint8Array(state[name].data.buffer, 0, facts.count);
    const theirs = bytes(codes);
    const isZero = (i: number) => i >= 512 && i < 768;
    const others = [...ours].filter((code, i) => !isZero(i) && Math.abs(code - theirs[i]) > 1);
    const moved = [...ours].filter((code, i) => !isZero(i) && code !== theirs[i]);
    expect(others).toEqual([]);
    // Roundings in the last bit decide between two codes now and then.
    expect(moved.length / ours.length).toBeLessThan(0.01);
  }
});

test.each([true, false])('codes are the nearest of their map, signed: %s', (signed) => {
  const map = dynamicMap(signed);
  expect(map).toHaveLength(256);
  const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: signed ? -1e6 : 0, max: 1e6 });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (list) => {
      const values = Float32Array.from(list);
      const coded = {
        codes: new Uint8Array(values.length),
        scales: new Float32Array(blockCount(values.length)),
        map,
      };
      const out = new Float32Array(256);
      for (let block = 0; block < coded.scales.length; block++) {
        const own = values.subarray(block * 256, (block + 1) * 256);
        writeBlock(block, coded, own, own.length);
        expect(readBlock(block, coded, values.length, out)).toBe(own.length);
        const scale = coded.scales[block];
        for (const [i, v] of own.entries()) {
          const best = map.reduce((d, code) => Math.min(d, Math.abs(code * scale - v)), Infinity);
          expect(Math.abs(out[i] - v)).toBeLessThanOrEqual(best + 2e-6 * scale);
        }
      }
    }),
    { numRuns: 30 },
  );
});
