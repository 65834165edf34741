// Losses, best tokens and gradients of the head equal a plain softmax in float64, over slices and chunks too.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { f16ToF32, f32ToF16 } from './half.ts';
import { OutputHead } from './output-head.ts';
import { makeParameter } from './parameter.ts';

const backend = await openBackend('cpu', { threads: 2 });
afterAll(() => backend.dispose());

function problem(rows: number, vocab: number, hidden: number, cap: number | null = null) {
  const random = seededRandom(`${rows}/${vocab}/${hidden}`);
  const fill = (n: number, scale: number) =>
    Float32Array.from({ length: n }, () => (random.next() - 0.5) * 2 * scale);
  // Values that f16 holds exactly, so that both ways of resting have the same answer.
  const matrix = f16ToF32(f32ToF16(fill(vocab * hidden, 1)));
  return {
    rows,
    vocab,
    hidden,
    cap,
    matrix,
    h: fill(rows * hidden, 3),
    targets: Int32Array.from({ length: rows }, () => random.int(vocab)),
    weights: fill(rows, 1),
  };
}
type Problem = ReturnType<typeof problem>;

/** Σ weight · nll by its definition. */
function plainSoftmax({ rows, vocab, hidden, cap, matrix, h, targets, weights }: Problem) {
  const nll = new Float64Array(rows);
  const best = new Int32Array(rows);
  const dh = new Float64Array(rows * hidden);
  const dw = new Float64Array(vocab * hidden);
  const logits = new Float64Array(vocab);
  const slope = new Float64Array(vocab).fill(1);
  for (let i = 0; i < rows; i++) {
    const row = h.subarray(i * hidden, (i + 1) * hidden);
    let max = Number.NEGATIVE_INFINITY;
    for (let v = 0; v < vocab; v++) {
      let logit = 0;
      for (let j = 0; j < hidden; j++) logit += row[j] * matrix[v * hidden + j];
      if (cap !== null) {
        logit = cap * Math.tanh(logit / cap);
        slope[v] = 1 - (logit / cap) ** 2;
      }
      logits[v] = logit;
      if (logit > max) {
        max = logit;
        best[i] = v;
      }
    }
    let sum = 0;
    for (let v = 0; v < vocab; v++) sum += Math.exp(logits[v] - max);
    nll[i] = max + Math.log(sum) - logits[targets[i]];
    for (let v = 0; v < vocab; v++) {
      const p = slope[v] * (Math.exp(logits[v] - max) / sum - (v === targets[i] ? 1 : 0));
      for (let j = 0; j < hidden; j++) {
        dh[i * hidden + j] += weights[i] * p * matrix[v * hidden + j];
        dw[v * hidden + j] += weights[i] * p * row[j];
      }
    }
  }
  return { nll, best, dh, dw };
}

/** Largest difference in units of the largest expected magnitude. */
function error(actual: ArrayLike<number>, expected: Float64Array): number {
  const scale = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return expected.reduce((m, v, i) => Math.max(m, Math.abs(v - actual[i])), 0) / scale;
}

// A slice has at most 16 Mi floats of logits, a chunk 2048 rows: the second case has both, and uneven ones.
describe.each([
  ['one slice', problem(5, 300, 6)],
  ['several slices and chunks', problem(2060, 8195, 2)],
  ['capped logits', problem(5, 300, 6, 4)],
])('%s', (_, p) => {
  const expected = plainSoftmax(p);
  const heads = {
    f32: new OutputHead(backend, { shape: [p.vocab, p.hidden], dtype: 'f32', data: p.matrix }, null, p.cap),
    f16: new OutputHead(
      backend,
      { shape: [p.vocab, p.hidden], dtype: 'f16', data: f32ToF16(p.matrix) },
      null,
      p.cap,
    ),
  };

  test.each(['f32', 'f16'] as const)('losses and hits over an %s matrix', async (dtype) => {
    const plain = await heads[dtype].evaluate(p.h, p.targets, false);
    expect(error(plain.nll, expected.nll)).toBeLessThan(1e-6);
    expect(plain.hits).toBeNull();
    // Every other row asks for the token after its best one.
    const targets = expected.best.map((v, i) => (v + (i % 2)) % p.vocab);
    const { hits } = await heads[dtype].evaluate(p.h, targets, true);
    expect(hits).toEqual(Uint8Array.from(targets, (_, i) => (i % 2 === 0 ? 1 : 0)));
  });

  test.each(['f32', 'f16'] as const)('gradient by the hidden rows over a frozen %s matrix', async (dtype) => {
    const dh = new Float32Array(p.h.length).fill(9);
    const { nll } = await heads[dtype].differentiate(p.h, p.targets, p.weights, dh);
    expect(error(nll, expected.nll)).toBeLessThan(1e-6);
    expect(error(dh, expected.dh)).toBeLessThan(1e-5);
  });

  test('a trained matrix gets its gradient added', async () => {
    const parameter = makeParameter('lm_head.weight', [p.vocab, p.hidden], p.matrix);
    const head = new OutputHead(
      backend,
      { shape: [p.vocab, p.hidden], dtype: 'f32', data: p.matrix },
      parameter,
      p.cap,
    );
    const dh = new Float32Array(p.h.length);
    const { nll } = await head.differentiate(p.h, p.targets, p.weights, dh);
    expect(error(nll, expected.nll)).toBeLessThan(1e-6);
    expect(error(dh, expected.dh)).toBeLessThan(1e-5);
    expect(error(parameter.gradient, expected.dw)).toBeLessThan(1e-5);
    await head.differentiate(p.h, p.targets, p.weights, dh);
    expect(
      error(
        parameter.gradient,
        expected.dw.map((v) => 2 * v),
      ),
    ).toBeLessThan(1e-5);
  });

  test('logits are products with every row of the matrix', async () => {
    const logits = await heads.f16.logits(p.h, p.rows);
    expect(logits.length).toBe(p.rows * p.vocab);
    for (const [i, v] of [
      [0, 0],
      [p.rows - 1, p.vocab - 1],
      [p.rows - 1, 0],
      [3, 150],
    ]) {
      let logit = 0;
      for (let j = 0; j < p.hidden; j++) logit += p.h[i * p.hidden + j] * p.matrix[v * p.hidden + j];
      const bent = p.cap === null ? logit : p.cap * Math.tanh(logit / p.cap);
      expect(logits[i * p.vocab + v]).toBeCloseTo(bent, 4);
    }
  });
});

test('logits far from zero neither overflow nor vanish', async () => {
  const matrix = Float32Array.of(300, -300, 0, 299);
  const head = new OutputHead(backend, { shape: [4, 1], dtype: 'f32', data: matrix }, null);
  const { nll } = await head.evaluate(Float32Array.of(1, 1), Int32Array.of(0, 1), false);
  expect(nll[0]).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
  expect(nll[1]).toBeCloseTo(600 + Math.log1p(Math.exp(-1)), 3);
});
