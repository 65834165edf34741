// In: hidden rows [M, hidden] that carry a label, and the output matrix [vocab, hidden]. Out: negative log-likelihoods,
// best tokens, and gradients by the hidden rows and the matrix. The vocabulary is walked in slices and the rows in chunks,
// so that memory is bounded by SLICE_FLOATS whatever the vocabulary.
import {
  type Accumulator,
  type Backend,
  type Executable,
  headBest,
  headFused,
  headLogits,
  headSum,
  headTrained,
  type ParameterGroup,
  type Tensor,
} from '@tunesmith/engine';
import { decodeRow } from './half-rows.ts';
import type { Parameter, StoredWeight } from './parameter.ts';

/** 64 MiB of floats: the casted slice, and the logits of a chunk, each. */
const SLICE_FLOATS = 16 * 2 ** 20;
/** Rows of hidden states that go through the head at once. */
export const MAX_ROWS = 2048;

interface Slice {
  start: number;
  size: number;
  /** [size, hidden] of the matrix; it stays at the backend. */
  w: Tensor;
}

export interface HeadLoss {
  /** [M] negative log-likelihood of each target, in nats. */
  nll: Float64Array;
  /** [M] whether the most likely token is the target; only when asked for. */
  hits: Uint8Array | null;
}

export class OutputHead {
  readonly #backend: Backend;
  readonly #weight: StoredWeight;
  readonly #hidden: number;
  readonly #vocab: number;
  readonly #trained: Parameter | null;
  /** Logits are bent to cap * tanh(logit / cap). */
  readonly #cap: number | null;
  readonly #executables = new Map<string, Promise<Executable>>();
  readonly #slices: readonly Slice[];
  /** The slices of a trained matrix, and the sums of their gradients. */
  readonly #group: ParameterGroup | null;
  readonly #sums: Accumulator | null;

  constructor(backend: Backend, weight: StoredWeight, trained: Parameter | null, cap: number | null = null) {
    this.#backend = backend;
    this.#weight = weight;
    [this.#vocab, this.#hidden] = weight.shape;
    this.#trained = trained;
    this.#cap = cap;
    const ranges = sliceRanges(this.#vocab, this.#hidden);
    const dims = ([start, end]: Range) => [end - start, this.#hidden];
    const part = <A extends { subarray(a: number, b: number): A }>(x: A, [start, end]: Range) =>
      x.subarray(start * this.#hidden, end * this.#hidden);
    const arrays = (x: Float32Array) => ranges.map((r) => ({ dims: dims(r), data: part(x, r) }));
    this.#group = trained && backend.parameters(arrays(weight.data as Float32Array));
    this.#sums = trained && backend.accumulator(arrays(trained.gradient));
    const { dtype } = weight;
    const data = (r: Range) =>
      weight.data instanceof Float32Array ? part(weight.data, r) : part(weight.data, r);
    this.#slices = ranges.map((r, i) => ({
      start: r[0],
      size: r[1] - r[0],
      w: this.#group?.tensors[i] ?? backend.tensor(dtype, dims(r), data(r)),
    }));
  }

  get isCapped(): boolean {
    return this.#cap !== null;
  }

  /** To be called when values of a trained matrix were written. */
  parametersChanged(): void {
    this.#group?.changed();
  }

  #get(kind: 'sum' | 'best' | 'fused' | 'trained' | 'logits', isFirst = true): Promise<Executable> {
    const { dtype } = this.#weight;
    const graph = {
      sum: () => headSum(this.#hidden, dtype, this.#cap, isFirst),
      best: () => headBest(this.#hidden, dtype, this.#cap),
      fused: () => headFused(this.#hidden, dtype, this.#cap, isFirst),
      trained: () => headTrained(this.#hidden, this.#cap, isFirst),
      logits: () => headLogits(this.#hidden, dtype, this.#cap),
    }[kind];
    const key = `${kind}/${isFirst}`;
    let executable = this.#executables.get(key);
    if (!executable) {
      executable = this.#backend.compile(graph());
      this.#executables.set(key, executable);
    }
    return executable;
  }

  /** Frees the scratch of all graphs. */
  async shrink(): Promise<void> {
    for (const executable of this.#executables.values()) await (await executable).shrink();
  }

  /**
   * Runs a graph over all slices: what is named in `carried` goes on from slice to slice as `<name>_before` and is left
   * after the last one; `each` takes the other outputs.
   */
  async #walk<Name extends string>(
    kind: 'sum' | 'fused' | 'trained',
    feeds: Record<string, Tensor>,
    carried: readonly Name[],
    each?: (slice: number, out: Record<string, Tensor>) => Promise<void>,
  ): Promise<Float32Array[]> {
    let state: Tensor[] = [];
    for (const [i, { w }] of this.#slices.entries()) {
      const before = Object.fromEntries(state.map((t, k) => [`${carried[k]}_before`, t]));
      const out = await (await this.#get(kind, i === 0)).run({ ...feeds, ...before, w });
      for (const t of state) t.dispose();
      state = carried.map((name) => out[name]);
      await each?.(i, out);
    }
    const values = (await this.#backend.readAll(state)).map((v) => Float32Array.from(v as Float32Array));
    for (const t of state) t.dispose();
    return values;
  }

  /** Losses only. h [M, hidden] row-major. */
  async evaluate(h: Float32Array, targets: Int32Array, wantHits: boolean): Promise<HeadLoss> {
    const nll = new Float64Array(targets.length);
    const hits = wantHits ? new Uint8Array(targets.length) : null;
    for (let at = 0; at < targets.length; at += MAX_ROWS) {
      const end = Math.min(at + MAX_ROWS, targets.length);
      const rows = h.subarray(at * this.#hidden, end * this.#hidden);
      const chunk = targets.subarray(at, end);
      const { lse, best } = wantHits
        ? await this.#best(rows, chunk.length)
        : { lse: await this.#normaliser(rows, chunk.length), best: null };
      const { value } = this.#labelLogits(rows, chunk);
      nll.set(
        value.map((v, i) => lse[i] - v),
        at,
      );
      if (hits && best) for (let i = 0; i < chunk.length; i++) hits[at + i] = best[i] === chunk[i] ? 1 : 0;
    }
    return { nll, hits };
  }

  /**
   * [M] log-probability of each target after the hidden row `rowOf[i]` of h [rows, hidden]: rows that several targets share
   * go through the matrix once.
   */
  async logProbs(h: Float32Array, rowOf: Int32Array, targets: Int32Array): Promise<Float64Array> {
    const rows = h.length / this.#hidden;
    const lse = new Float64Array(rows);
    for (let at = 0; at < rows; at += MAX_ROWS) {
      const end = Math.min(at + MAX_ROWS, rows);
      lse.set(await this.#normaliser(h.subarray(at * this.#hidden, end * this.#hidden), end - at), at);
    }
    const { value } = this.#labelLogits(h, targets, rowOf);
    return value.map((logit, i) => logit - lse[rowOf[i]]);
  }

  /**
   * Losses, and d(sum of weights * nll) / dh written to `dh`; the matrix's own gradient is added to its parameter when it
   * is trained. weights [M], or a function that gives them once all losses are known.
   */
  async differentiate(
    h: Float32Array,
    targets: Int32Array,
    weights: Float32Array | ((nll: Float64Array) => Float32Array),
    dh: Float32Array,
  ): Promise<HeadLoss> {
    const nll = new Float64Array(targets.length);
    const chunks = Array.from({ length: Math.ceil(targets.length / MAX_ROWS) }, (_, i) => {
      const part = <A extends { subarray(a: number, b: number): A }>(x: A, width: number) =>
        x.subarray(i * MAX_ROWS * width, Math.min((i + 1) * MAX_ROWS, targets.length) * width);
      return { part, targets: part(targets, 1), h: part(h, this.#hidden), dh: part(dh, this.#hidden) };
    });
    const read: { lse: Float64Array; slope: Float64Array }[] = [];
    for (const chunk of chunks) {
      const rows = chunk.targets.length;
      const { value, slope } = this.#labelLogits(chunk.h, chunk.targets);
      const lse = this.#trained
        ? await this.#normaliser(chunk.h, rows)
        : await this.#frozenPass(chunk.h, rows, chunk.dh);
      chunk.part(nll, 1).set(value.map((v, i) => lse[i] - v));
      read.push({ lse, slope });
    }
    const all = typeof weights === 'function' ? weights(nll) : weights;
    for (const [i, chunk] of chunks.entries()) {
      const { lse, slope } = read[i];
      const own = chunk.part(all, 1);
      if (this.#trained) await this.#trainedPass(chunk.h, chunk.targets, slope, own, lse, chunk.dh);
      this.#subtractLabels(chunk.targets, slope, own, chunk.dh);
    }
    return { nll, hits: null };
  }

  /** Of each row, the `count` largest logits (all of them, of a smaller vocabulary), in no order: [M, count]. */
  async topLogits(h: Float32Array, count: number): Promise<Float32Array[]> {
    const run = await this.#get('logits');
    const rows = h.length / this.#hidden;
    const best = Array.from({ length: rows }, () => new LargestValues(Math.min(count, this.#vocab)));
    for (let at = 0; at < rows; at += MAX_ROWS) {
      const part = h.subarray(at * this.#hidden, Math.min(at + MAX_ROWS, rows) * this.#hidden);
      const size = part.length / this.#hidden;
      using hidden = this.#backend.tensor('f32', [size, this.#hidden], part);
      for (const { size: width, w } of this.#slices) {
        const { logits } = await run.run({ h: hidden, w });
        const values = (await logits.read()) as Float32Array;
        for (let i = 0; i < size; i++) best[at + i].add(values.subarray(i * width, (i + 1) * width));
        logits.dispose();
      }
    }
    return best.map(({ values }) => values);
  }

  /** Σ softmax(logits) · matrix per row [M, hidden], and the log-normaliser of each row. Without a cap only. */
  async expectedRows(h: Float32Array): Promise<{ mean: Float32Array; lse: Float64Array }> {
    const rows = h.length / this.#hidden;
    const mean = new Float32Array(h.length);
    const lse = new Float64Array(rows);
    for (let at = 0; at < rows; at += MAX_ROWS) {
      const end = Math.min(at + MAX_ROWS, rows);
      const part = (x: Float32Array) => x.subarray(at * this.#hidden, end * this.#hidden);
      lse.set(await this.#frozenPass(part(h), end - at, part(mean)), at);
    }
    return { mean, lse };
  }

  /** Rows of the matrix, one after the other: [M, hidden]. */
  rowsAt(targets: Int32Array): Float32Array {
    const out = new Float32Array(targets.length * this.#hidden);
    for (let i = 0; i < targets.length; i++)
      decodeRow(this.#weight, targets[i], out.subarray(i * this.#hidden, (i + 1) * this.#hidden));
    return out;
  }

  /** [rows, vocab] logits, for decoding. */
  async logits(h: Float32Array, rows: number): Promise<Float32Array> {
    const run = await this.#get('logits');
    const out = new Float32Array(rows * this.#vocab);
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    for (const slice of this.#slices) {
      const { logits } = await run.run({ h: hidden, w: slice.w });
      const part = (await logits.read()) as Float32Array;
      for (let i = 0; i < rows; i++)
        out.set(part.subarray(i * slice.size, (i + 1) * slice.size), i * this.#vocab + slice.start);
      logits.dispose();
    }
    return out;
  }

  /** [rows] log of the sum of exp of all logits, and the most likely token. */
  async #best(h: Float32Array, rows: number) {
    const run = await this.#get('best');
    const merge = new OnlineSoftmax(rows);
    const best = new Int32Array(rows);
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    for (const { start, w } of this.#slices) {
      const out = await run.run({ h: hidden, w });
      const [max, sum, found] = await this.#backend.readAll([out.max, out.sum, out.best]);
      for (let i = 0; i < rows; i++)
        if ((max as Float32Array)[i] > merge.max[i]) best[i] = start + (found as Int32Array)[i];
      merge.add(max as Float32Array, sum as Float32Array);
      for (const t of Object.values(out)) t.dispose();
    }
    return { lse: merge.logSumExp(), best };
  }

  /** [rows] log of the sum of exp of all logits. */
  async #normaliser(h: Float32Array, rows: number): Promise<Float64Array> {
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    const [max, sum] = await this.#walk('sum', { h: hidden }, ['max', 'sum']);
    return logSumExp(max, sum);
  }

  /** Writes the softmax-weighted mean of the matrix's rows to `mean`. */
  async #frozenPass(h: Float32Array, rows: number, mean: Float32Array): Promise<Float64Array> {
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    const [max, sum, total] = await this.#walk('fused', { h: hidden }, ['max', 'sum', 'mean']);
    for (let i = 0; i < rows; i++)
      for (let j = i * this.#hidden; j < (i + 1) * this.#hidden; j++) mean[j] = total[j] / sum[i];
    return logSumExp(max, sum);
  }

  /** Writes the softmax-weighted mean of the matrix's rows to `mean`, and adds the matrix's gradient to its parameter. */
  async #trainedPass(
    h: Float32Array,
    targets: Int32Array,
    slope: Float64Array,
    weights: Float32Array,
    lse: Float64Array,
    mean: Float32Array,
  ): Promise<void> {
    const rows = targets.length;
    const width = this.#hidden;
    const gradient = (this.#trained as Parameter).gradient;
    const sums = this.#sums as Accumulator;
    const weighted = new Float32Array(h.length);
    for (let i = 0; i < h.length; i++) weighted[i] = weights[Math.floor(i / width)] * h[i];
    const feeds = {
      h: this.#backend.tensor('f32', [rows, width], h),
      weighted: this.#backend.tensor('f32', [rows, width], weighted),
      lse: this.#backend.tensor('f32', [rows, 1], Float32Array.from(lse)),
    };
    const [total] = await this.#walk('trained', feeds, ['mean'], (slice, out) => sums.add(slice, out.d_w));
    mean.set(total);
    for (const t of Object.values(feeds)) t.dispose();
    await sums.flush();
    for (let i = 0; i < rows; i++) {
      const base = targets[i] * width;
      for (let j = 0; j < width; j++) gradient[base + j] -= slope[i] * weighted[i * width + j];
    }
  }

  /** The logit of each target by its hidden row, and what the cap multiplies its gradient by (1 without a cap). */
  #labelLogits(
    h: Float32Array,
    targets: Int32Array,
    rowOf?: Int32Array,
  ): { value: Float64Array; slope: Float64Array } {
    const row = new Float32Array(this.#hidden);
    const value = new Float64Array(targets.length);
    const slope = new Float64Array(targets.length).fill(1);
    for (let i = 0; i < targets.length; i++) {
      decodeRow(this.#weight, targets[i], row);
      const from = (rowOf?.[i] ?? i) * this.#hidden;
      let logit = 0;
      for (let j = 0; j < this.#hidden; j++) logit += h[from + j] * row[j];
      value[i] = logit;
      if (this.#cap === null) continue;
      const t = Math.tanh(logit / this.#cap);
      value[i] = this.#cap * t;
      slope[i] = 1 - t * t;
    }
    return { value, slope };
  }

  /** mean -> weight * (mean - slope * matrix[target]), row by row. */
  #subtractLabels(targets: Int32Array, slope: Float64Array, weights: Float32Array, mean: Float32Array): void {
    const row = new Float32Array(this.#hidden);
    for (let i = 0; i < targets.length; i++) {
      decodeRow(this.#weight, targets[i], row);
      const base = i * this.#hidden;
      for (let j = 0; j < this.#hidden; j++)
        mean[base + j] = weights[i] * (mean[base + j] - slope[i] * row[j]);
    }
  }
}

type Range = [number, number];

/** Rows of the matrix, slice by slice: neither a slice nor the logits of a chunk of rows has more than SLICE_FLOATS. */
export function sliceRanges(vocab: number, hidden: number): Range[] {
  const count = Math.ceil(vocab / Math.max(256, Math.floor(SLICE_FLOATS / Math.max(hidden, MAX_ROWS))));
  const size = Math.ceil(vocab / count);
  return Array.from({ length: Math.ceil(vocab / size) }, (_, i) => [
    i * size,
    Math.min((i + 1) * size, vocab),
  ]);
}

function logSumExp(max: ArrayLike<number>, sum: ArrayLike<number>): Float64Array {
  return Float64Array.from(max, (m, i) => m + Math.log(sum[i]));
}

/** Keeps the largest values that it has seen. */
class LargestValues {
  readonly values: Float32Array;
  #smallest = 0;

  constructor(count: number) {
    this.values = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  }

  add(more: Float32Array): void {
    const { values } = this;
    for (let i = 0; i < more.length; i++) {
      if (!(more[i] > values[this.#smallest])) continue;
      values[this.#smallest] = more[i];
      for (let j = 0; j < values.length; j++) if (values[j] < values[this.#smallest]) this.#smallest = j;
    }
  }
}

/** Running maximum and sum of exponentials over slices (Milakov and Gimelshein 2018). */
class OnlineSoftmax {
  readonly max: Float64Array;
  readonly sum: Float64Array;

  constructor(rows: number) {
    this.max = new Float64Array(rows).fill(Number.NEGATIVE_INFINITY);
    this.sum = new Float64Array(rows);
  }

  add(max: Float32Array, sum: Float32Array): void {
    for (let i = 0; i < max.length; i++) {
      const top = Math.max(this.max[i], max[i]);
      this.sum[i] = this.sum[i] * Math.exp(this.max[i] - top) + sum[i] * Math.exp(max[i] - top);
      this.max[i] = top;
    }
  }

  logSumExp(): Float64Array {
    return logSumExp(this.max, this.sum);
  }
}
