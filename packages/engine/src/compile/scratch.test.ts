// Scratch that is counted: by hand on small graphs, and against what the runtime takes on a whole layer.
import { describe, expect, test } from 'vitest';
import { add, cast, exp, makeInput, matmul, reduceSum, reshape, softmax } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import { Arena } from './arena.ts';
import { graphMemory } from './scratch.ts';

const sizes = new Map([
  ['N', 1024],
  ['M', 2048],
]);
const MB = 2 ** 20;

describe('Arena', () => {
  test('uses freed memory again, and touches no more than was written', () => {
    const arena = new Arena();
    const a = arena.allocate(3 * MB);
    expect(arena.touchedBytes).toBe(3 * MB);
    arena.free(a);
    const b = arena.allocate(2 * MB);
    expect(arena.touchedBytes).toBe(3 * MB);
    const c = arena.allocate(2 * MB);
    expect(arena.touchedBytes).toBe(4 * MB);
    arena.free(b);
    arena.free(c);
    // Neighbours are joined again.
    arena.allocate(4 * MB);
    expect(arena.touchedBytes).toBe(4 * MB);
  });

  test('takes the smallest free chunk that is large enough', () => {
    const arena = new Arena();
    const large = arena.allocate(8 * MB);
    arena.allocate(MB);
    const small = arena.allocate(2 * MB);
    arena.allocate(MB);
    arena.free(large);
    arena.free(small);
    const before = arena.touchedBytes;
    arena.allocate(2 * MB);
    arena.allocate(8 * MB);
    expect(arena.touchedBytes).toBe(before);
  });
});

describe('Arena', () => {
  test('takes the later region of two that are alike', () => {
    const arena = new Arena();
    // Regions of 64 MB each; the second is touched a little only.
    const large = arena.allocate(40 * MB);
    const small = arena.allocate(30 * MB);
    expect(arena.touchedBytes).toBe(70 * MB);
    arena.free(large);
    arena.free(small);
    arena.allocate(40 * MB);
    expect(arena.touchedBytes).toBe(80 * MB);
  });
});

describe('graphMemory', () => {
  const x = makeInput('x', ['N', 256]);
  const w = makeInput('w', ['M', 256], 'f16');
  const product = matmul(x, cast(w, 'f32'), { transB: true });

  test('outputs are the caller’s; a casted weight is scratch', () => {
    const { scratch, outputs } = graphMemory(makeGraph('g', { y: product }), sizes);
    expect(outputs.get('y')).toBe(1024 * 2048 * 4);
    expect(scratch).toBe(2048 * 256 * 4);
  });

  test('a value lives from its kernel to its last use', () => {
    const one = graphMemory(makeGraph('g', { y: reduceSum(product, [1], true) }), sizes).scratch;
    expect(one).toBe(2048 * 256 * 4 + 1024 * 2048 * 4);
    // The weight is done with when the second product of this size is made, but no two of that size fit its place.
    const two = graphMemory(makeGraph('g', { y: reduceSum(exp(product), [1], true) }), sizes).scratch;
    expect(two).toBeGreaterThan(one);
    expect(two).toBeLessThanOrEqual(one + 1024 * 2048 * 4);
    // A third and a fourth take turns with the first two.
    const four = makeGraph('g', { y: reduceSum(exp(exp(exp(product))), [1], true) });
    expect(graphMemory(four, sizes).scratch).toBe(two);
  });

  test('a sum is made in its product; a reshape takes nothing', () => {
    const residual = makeInput('r', ['N', 'M']);
    const fused = graphMemory(makeGraph('g', { y: exp(add(residual, product)) }), sizes).scratch;
    expect(fused).toBe(graphMemory(makeGraph('g', { y: exp(product) }), sizes).scratch);
    const rows = exp(x);
    const flat = makeGraph('g', { y: softmax(reshape(rows, ['N', 2, 128])) });
    const plain = makeGraph('g', { y: softmax(rows) });
    expect(graphMemory(flat, sizes).scratch).toBe(graphMemory(plain, sizes).scratch);
  });

  test('a chain in blocks holds what leaves it, and a block of the rest', () => {
    const shaped = makeInput('p', ['N', 2048]);
    const one = exp(shaped);
    const chain = reduceSum(add(exp(exp(one)), one), [1], true);
    const array = 1024 * 2048 * 4;
    const { scratch } = graphMemory(makeGraph('g', { y: chain }), sizes);
    expect(scratch).toBeGreaterThanOrEqual(array + (4 * array) / 64);
    expect(scratch).toBeLessThan(1.2 * array);
  });
});
