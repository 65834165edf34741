// In: hidden rows [M, hidden] that carry a label, and the output matrix [vocab, hidden]. Out: negative log-likelihoods,
// best tokens, and gradients by the hidden rows and the matrix. The vocabulary is walked in slices and the rows in chunks,
// so that memory is bounded by SLICE_FLOATS whatever the vocabulary.
import {
  type Backend,
  type Executable,
  headFused,
  headLogits,
  headStatistics,
  headTrained,
} from '@tunesmith/engine';
import { decodeRow } from './half-rows.ts';
import { addInto, type Parameter, type StoredWeight } from './parameter.ts';

/** 64 MiB of floats: the casted slice, and the logits of a chunk, each. */
const SLICE_FLOATS = 16 * 2 ** 20;
const MAX_ROWS = 2048;

interface Slice {
  start: number;
  size: number;
  data: Float32Array | Uint16Array;
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

  constructor(backend: Backend, weight: StoredWeight, trained: Parameter | null, cap: number | null = null) {
    this.#backend = backend;
    this.#weight = weight;
    [this.#vocab, this.#hidden] = weight.shape;
    this.#trained = trained;
    this.#cap = cap;
  }

  #get(kind: 'statistics' | 'best' | 'fused' | 'trained' | 'logits'): Promise<Executable> {
    const { dtype } = this.#weight;
    const graph = {
      statistics: () => headStatistics(this.#hidden, dtype, false, this.#cap),
      best: () => headStatistics(this.#hidden, dtype, true, this.#cap),
      fused: () => headFused(this.#hidden, dtype, this.#cap),
      trained: () => headTrained(this.#hidden, this.#cap),
      logits: () => headLogits(this.#hidden, dtype, this.#cap),
    }[kind];
    let executable = this.#executables.get(kind);
    if (!executable) {
      executable = this.#backend.compile(graph());
      this.#executables.set(kind, executable);
    }
    return executable;
  }

  *#slices(rows: number): Generator<Slice> {
    const limit = Math.floor(Math.min(SLICE_FLOATS / this.#hidden, SLICE_FLOATS / rows));
    const count = Math.ceil(this.#vocab / Math.max(256, limit));
    const size = Math.ceil(this.#vocab / count);
    for (let start = 0; start < this.#vocab; start += size) {
      const end = Math.min(start + size, this.#vocab);
      yield {
        start,
        size: end - start,
        data: this.#weight.data.subarray(start * this.#hidden, end * this.#hidden),
      };
    }
  }

  #sliceTensor(slice: Slice) {
    return this.#backend.tensor(this.#weight.dtype, [slice.size, this.#hidden], slice.data);
  }

  /** Losses only. h [M, hidden] row-major. */
  async evaluate(h: Float32Array, targets: Int32Array, wantHits: boolean): Promise<HeadLoss> {
    const nll = new Float64Array(targets.length);
    const hits = wantHits ? new Uint8Array(targets.length) : null;
    for (let at = 0; at < targets.length; at += MAX_ROWS) {
      const end = Math.min(at + MAX_ROWS, targets.length);
      const rows = h.subarray(at * this.#hidden, end * this.#hidden);
      const chunk = targets.subarray(at, end);
      const { lse, best } = await this.#normaliser(rows, chunk.length, wantHits);
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
        ? (await this.#normaliser(chunk.h, rows, false)).lse
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

  /** [rows, vocab] logits, for decoding. */
  async logits(h: Float32Array, rows: number): Promise<Float32Array> {
    const run = await this.#get('logits');
    const out = new Float32Array(rows * this.#vocab);
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    for (const slice of this.#slices(rows)) {
      using w = this.#sliceTensor(slice);
      const { logits } = await run.run({ h: hidden, w });
      const part = (await logits.read()) as Float32Array;
      for (let i = 0; i < rows; i++)
        out.set(part.subarray(i * slice.size, (i + 1) * slice.size), i * this.#vocab + slice.start);
      logits.dispose();
    }
    return out;
  }

  /** [rows] log of the sum of exp of all logits; with `wantBest`, also the most likely token. */
  async #normaliser(h: Float32Array, rows: number, wantBest: boolean) {
    const run = await this.#get(wantBest ? 'best' : 'statistics');
    const merge = new OnlineSoftmax(rows);
    const best = wantBest ? new Int32Array(rows) : null;
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    for (const slice of this.#slices(rows)) {
      using w = this.#sliceTensor(slice);
      const out = await run.run({ h: hidden, w });
      const max = (await out.max.read()) as Float32Array;
      const found = best ? ((await out.best.read()) as Int32Array) : null;
      if (best && found)
        for (let i = 0; i < rows; i++) if (max[i] > merge.max[i]) best[i] = slice.start + found[i];
      merge.add(max, (await out.sum.read()) as Float32Array);
      for (const t of Object.values(out)) t.dispose();
    }
    return { lse: merge.logSumExp(), best };
  }

  /** Writes the softmax-weighted mean of the matrix's rows to `mean`. */
  async #frozenPass(h: Float32Array, rows: number, mean: Float32Array): Promise<Float64Array> {
    const run = await this.#get('fused');
    const merge = new OnlineSoftmax(rows);
    mean.fill(0);
    using hidden = this.#backend.tensor('f32', [rows, this.#hidden], h);
    for (const slice of this.#slices(rows)) {
      using w = this.#sliceTensor(slice);
      const out = await run.run({ h: hidden, w });
      const part = (await out.mean.read()) as Float32Array;
      const factors = merge.add(
        (await out.max.read()) as Float32Array,
        (await out.sum.read()) as Float32Array,
      );
      for (let i = 0; i < rows; i++) {
        const before = factors.before[i];
        const fresh = factors.fresh[i];
        for (let j = i * this.#hidden; j < (i + 1) * this.#hidden; j++)
          mean[j] = mean[j] * before + part[j] * fresh;
      }
      for (const t of Object.values(out)) t.dispose();
    }
    for (let i = 0; i < rows; i++) {
      const scale = 1 / merge.sum[i];
      for (let j = i * this.#hidden; j < (i + 1) * this.#hidden; j++) mean[j] *= scale;
    }
    return merge.logSumExp();
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
    const run = await this.#get('trained');
    const weighted = new Float32Array(h.length);
    for (let i = 0; i < h.length; i++) weighted[i] = weights[Math.floor(i / width)] * h[i];
    mean.fill(0);
    const tensor = (dims: number[], data: Float32Array) => this.#backend.tensor('f32', dims, data);
    const feeds = {
      h: tensor([rows, width], h),
      weighted: tensor([rows, width], weighted),
      lse: tensor([rows, 1], Float32Array.from(lse)),
    };
    for (const slice of this.#slices(rows)) {
      using w = this.#sliceTensor(slice);
      const out = await run.run({ ...feeds, w });
      addInto(mean, (await out.mean.read()) as Float32Array);
      addInto(
        gradient.subarray(slice.start * width, (slice.start + slice.size) * width),
        (await out.d_w.read()) as Float32Array,
      );
      for (const t of Object.values(out)) t.dispose();
    }
    for (let i = 0; i < rows; i++) {
      const base = targets[i] * width;
      for (let j = 0; j < width; j++) gradient[base + j] -= slope[i] * weighted[i * width + j];
    }
  }

  /** The logit of each row's target, and what the cap multiplies its gradient by (1 without a cap). */
  #labelLogits(h: Float32Array, targets: Int32Array): { value: Float64Array; slope: Float64Array } {
    const row = new Float32Array(this.#hidden);
    const value = new Float64Array(targets.length);
    const slope = new Float64Array(targets.length).fill(1);
    for (let i = 0; i < targets.length; i++) {
      decodeRow(this.#weight, targets[i], row);
      let logit = 0;
      for (let j = 0; j < this.#hidden; j++) logit += h[i * this.#hidden + j] * row[j];
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

/** Running maximum and sum of exponentials over slices (Milakov and Gimelshein 2018). */
class OnlineSoftmax {
  readonly max: Float64Array;
  readonly sum: Float64Array;

  constructor(rows: number) {
    this.max = new Float64Array(rows).fill(Number.NEGATIVE_INFINITY);
    this.sum = new Float64Array(rows);
  }

  /** Returns the factors by which sums of earlier slices and of this one count from now on. */
  add(max: Float32Array, sum: Float32Array): { before: Float64Array; fresh: Float64Array } {
    const before = new Float64Array(max.length);
    const fresh = new Float64Array(max.length);
    for (let i = 0; i < max.length; i++) {
      const top = Math.max(this.max[i], max[i]);
      before[i] = Math.exp(this.max[i] - top);
      fresh[i] = Math.exp(max[i] - top);
      this.sum[i] = this.sum[i] * before[i] + sum[i] * fresh[i];
      this.max[i] = top;
    }
    return { before, fresh };
  }

  logSumExp(): Float64Array {
    return this.max.map((m, i) => m + Math.log(this.sum[i]));
  }
}
