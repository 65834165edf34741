// New adapters: A uniform within PEFT's bound, B zero, each module by itself.
import { expect, test } from 'vitest';
import { initialLora } from './initial-lora.ts';

const shapes: Record<string, number[]> = { q: [30, 400], k: [20, 400], down: [400, 100] };
const make = (modules: string[], seed = 1, rank = 16) => initialLora(modules, (m) => shapes[m], rank, seed);

test('has the shapes of the rank and a B of zeros', () => {
  for (const [module, { a, b }] of make(['q', 'k', 'down'])) {
    const [outFeatures, inFeatures] = shapes[module];
    expect(a.length).toBe(16 * inFeatures);
    expect(b.length).toBe(outFeatures * 16);
    expect(b.every((v) => v === 0)).toBe(true);
  }
});

test('spreads A evenly within one over the root of the inputs', () => {
  for (const [module, { a }] of make(['q', 'down'], 3, 64)) {
    const bound = 1 / Math.sqrt(shapes[module][1]);
    const mean = a.reduce((x, y) => x + y, 0) / a.length;
    const variance = a.reduce((x, y) => x + y * y, 0) / a.length;
    expect(a.every((v) => Math.abs(v) <= bound)).toBe(true);
    expect(Math.abs(mean)).toBeLessThan((5 * bound) / Math.sqrt(3 * a.length));
    expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
    expect(Math.max(...a)).toBeGreaterThan(0.99 * bound);
  }
});

test('does not depend on which other modules are adapted, or on their order', () => {
  const all = make(['q', 'k', 'down']);
  expect(make(['k']).get('k')).toEqual(all.get('k'));
  expect(make(['down', 'q']).get('q')).toEqual(all.get('q'));
});

test('differs between modules of the same shape and between seeds', () => {
  const all = make(['q', 'k']);
  expect(all.get('q')?.a).not.toEqual(all.get('k')?.a);
  expect(make(['q'], 2).get('q')?.a).not.toEqual(all.get('q')?.a);
});
