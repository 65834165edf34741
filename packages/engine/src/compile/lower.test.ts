// Which ONNX nodes come out: the fused kernels are used where they should be and nowhere else, sizes are inputs, and
// values that leave under two names or straight from an input survive.
import { describe, expect, test } from 'vitest';
import * as b from '../graph/build.ts';
import { makeGraph, type Node } from '../graph/node.ts';
import { relativeError, runOnnx } from '../run/compare.ts';
import { evaluateReference, type HostValue } from '../run/reference.ts';
import { lower } from './lower.ts';
import { simplify } from './simplify.ts';

/** The fields of a protobuf message: number and bytes, or number and varint. */
function* fields(bytes: Uint8Array): Generator<[number, Uint8Array | number]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) yield [tag >> 3, varint()];
    else {
      const size = (tag & 7) === 5 ? 4 : varint();
      yield [tag >> 3, bytes.subarray(at, at + size)];
      at += size;
    }
  }
}

const sub = (bytes: Uint8Array, field: number) =>
  [...fields(bytes)].flatMap(([n, value]) => (n === field && value instanceof Uint8Array ? [value] : []));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Every node as `Op(number of inputs; attribute names)`, in order. */
function onnxNodes(outputs: Record<string, Node>): string[] {
  const [graph] = sub(lower(simplify(makeGraph('g', outputs))).bytes, 7);
  return sub(graph, 1).map((node) => {
    const attributes = sub(node, 5).map((a) => text(sub(a, 1)[0]));
    return `${text(sub(node, 4)[0])}(${[sub(node, 1).length, ...attributes].join(' ')})`;
  });
}

const x = b.makeInput('x', ['N', 4]);
const w = b.makeInput('w', [3, 4]);
const bias = b.makeInput('bias', [3]);
const base = b.makeInput('base', ['N', 3]);
const [wide, tall] = [b.makeInput('wide', ['N', 128]), b.makeInput('tall', [3, 128])];
const product = (alpha = 1) => b.matmul(wide, tall, { transB: true, alpha });

describe('fused kernels', () => {
  test('a product that is added to something is one Gemm with an accumulated operand', () => {
    expect(onnxNodes({ y: b.add(product(), bias) })).toEqual(['Gemm(3 transB)']);
    expect(onnxNodes({ y: b.add(base, product(0.5)) })).toEqual(['Gemm(3 transB alpha)']);
    expect(onnxNodes({ y: b.add(b.add(base, product(0.5)), product(2)) })).toEqual([
      'Gemm(3 transB alpha)',
      'Gemm(3 transB alpha)',
    ]);
    // The two factors of an adapter: the copy of the operand would take longer than the product.
    const narrow = b.matmul(x, w, { transB: true });
    expect(onnxNodes({ y: b.add(base, narrow) })).toEqual(['Gemm(2 transB)', 'Add(2)']);
  });

  test('a product that someone else needs, or that would be stretched, is not folded', () => {
    const p = product();
    expect(onnxNodes({ y: b.add(p, bias), p })).toEqual(['Gemm(2 transB)', 'Add(2)']);
    expect(onnxNodes({ y: b.add(p, b.exp(p)) })).toEqual(['Gemm(2 transB)', 'Exp(1)', 'Add(2)']);
    expect(onnxNodes({ y: b.add(p, 1) })).toEqual(['Gemm(2 transB)', 'Add(2)']);
    const row = b.matmul(b.makeInput('r', [1, 128]), tall, { transB: true });
    expect(onnxNodes({ y: b.add(row, base) })).toEqual(['Gemm(2 transB)', 'Add(2)']);
  });

  test('silu, norms and rotations are one kernel each', () => {
    expect(onnxNodes({ y: b.silu(x) })).toEqual(['QuickGelu(1 alpha)']);
    expect(onnxNodes({ y: b.rmsNorm(x, b.makeInput('n', [4]), 1e-5) })).toEqual([
      'SimplifiedLayerNormalization(2 axis epsilon)',
    ]);
    const [cos, sin] = ['cos', 'sin'].map((name) => b.makeInput(name, ['N', 1, 2]));
    const rotated = onnxNodes({ y: b.rope(b.makeInput('q', ['N', 2, 4]), cos, sin) });
    expect(rotated.filter((n) => !n.startsWith('Reshape'))).toEqual([
      'RotaryEmbedding(4 num_heads interleaved)',
    ]);
  });

  test('a batched product with a transposed operand or a factor is FusedMatMul, a plain one MatMul', () => {
    const [p, q] = ['p', 'q'].map((name) => b.makeInput(name, ['B', 'T', 4]));
    expect(onnxNodes({ y: b.matmul(p, q, { transB: true, alpha: 0.5 }) })).toEqual([
      'FusedMatMul(2 transB alpha)',
    ]);
    expect(onnxNodes({ y: b.matmul(p, b.makeInput('r', ['B', 4, 4])) })).toEqual(['MatMul(2)']);
    // aᵀ b as (bᵀ a)ᵀ.
    expect(onnxNodes({ y: b.matmul(p, q, { transA: true }) })).toEqual([
      'FusedMatMul(2 transA)',
      'Transpose(1 perm)',
    ]);
  });
});

test('sizes of which two or more are unknown come in through an i64 input, once each', () => {
  const y = b.reshape(x, ['N', 2, 2]);
  expect(lower(makeGraph('g', { y })).shapeInputs).toEqual([]);
  const z = b.makeInput('z', ['B', 'T', 4]);
  const split = b.reshape(z, ['B', 'T', 2, 2]);
  const outputs = {
    p: split,
    q: b.reshape(b.exp(z), ['B', 'T', 2, 2]),
    r: b.expand(b.constant(1), ['B', 'T']),
  };
  expect(lower(makeGraph('g', outputs)).shapeInputs).toEqual([
    { name: 'shape_0', dims: ['B', 'T', 2, 2] },
    { name: 'shape_1', dims: ['B', 'T'] },
  ]);
});

test('inputs, constants and twice-named values may be outputs', async () => {
  const y = b.exp(x);
  const graph = makeGraph('g', { same: x, one: b.constant(1), y, again: y, twin: b.exp(x), user: b.neg(y) });
  const feeds = new Map<string, HostValue>([
    ['x', { dims: [1, 4], dtype: 'f32', data: Float64Array.of(-1, 0, 0.5, 2) }],
  ]);
  const actual = await runOnnx(graph, feeds);
  for (const [name, value] of evaluateReference(graph, feeds))
    expect(relativeError(actual.get(name) as HostValue, value), name).toBeLessThan(1e-6);
});

test('accumulated products have the values of the sums they replace', async () => {
  const graph = makeGraph('g', {
    y: b.add(
      b.add(product(0.5), bias),
      b.matmul(b.makeInput('u', [2, 'N']), b.makeInput('v', [2, 3]), { transA: true }),
    ),
  });
  let i = 0;
  const value = (...dims: number[]): HostValue => ({
    dims,
    dtype: 'f32',
    data: Float64Array.from({ length: dims.reduce((p, d) => p * d) }, () => Math.fround(Math.sin(++i))),
  });
  const feeds = new Map(
    Object.entries({
      wide: value(5, 128),
      tall: value(3, 128),
      bias: value(3),
      u: value(2, 5),
      v: value(2, 3),
    }),
  );
  const actual = await runOnnx(graph, feeds);
  const expected = evaluateReference(graph, feeds);
  expect(relativeError(actual.get('y') as HostValue, expected.get('y') as HostValue)).toBeLessThan(1e-6);
});
