// In: token ids of several rows, a few at a time. Out: hidden states of the new tokens, with keys and values kept so that
// earlier tokens are never run again. Sampling and text are not here.
import { type Backend, type Executable, layerCached, type Tensor } from '@tunesmith/engine';
import { cachedMask } from './attention-mask.ts';
import type { Decoder } from './decoder.ts';
import { releaseArray } from './release-array.ts';
import { type RopeConfig, ropeTables } from './rope.ts';

interface LayerCache {
  k: Float32Array;
  v: Float32Array;
}

/** A growing cache for a fixed number of rows. Slots are shared: a row that has no token for a slot holds padding there. */
export class CachedDecoder {
  readonly #decoder: Decoder;
  readonly #rows: number;
  readonly #layers: LayerCache[];
  /** Per row, the position of each slot, -1 for padding. */
  readonly #positions: number[][];
  readonly #executables: Map<string, Promise<Executable>>;
  #past = 0;
  /** Per row, its tokens so far; kept only where the cache may have to be made anew. */
  readonly #tokens: number[][] | null;

  /** `executables` may be shared by all caches over one decoder. */
  constructor(decoder: Decoder, rows: number, executables: Map<string, Promise<Executable>> = new Map()) {
    this.#decoder = decoder;
    this.#rows = rows;
    this.#layers = decoder.layers.map(() => ({ k: new Float32Array(0), v: new Float32Array(0) }));
    this.#positions = Array.from({ length: rows }, () => []);
    this.#executables = executables;
    const { ropeScaling } = decoder.config;
    this.#tokens = ropeScaling?.kind === 'longrope' ? this.#positions.map(() => []) : null;
  }

  get backend(): Backend {
    return this.#decoder.backend;
  }

  /** Gives the memory of keys and values back now; the cache is empty afterwards and not to be used. */
  dispose(): void {
    for (const { k, v } of this.#layers.splice(0)) for (const array of [k, v]) releaseArray(array);
  }

  /**
   * Appends tokens[r] to row r (right-padded to the longest; an empty list leaves the row as it is) and returns the logits
   * after the last token of each row, [rows, vocab]; those of a row without tokens mean nothing.
   */
  async append(tokens: readonly (readonly number[])[]): Promise<Float32Array> {
    return this.#run(this.#tokens ? this.#remembered(tokens, this.#tokens) : tokens);
  }

  /** Longrope turns all positions otherwise once the longest row passes the original length: then everything is fed anew. */
  #remembered(tokens: readonly (readonly number[])[], all: number[][]): readonly (readonly number[])[] {
    const { ropeScaling: scaling } = this.#decoder.config;
    const limit = scaling?.kind === 'longrope' ? scaling.originalMaxPositions : Number.POSITIVE_INFINITY;
    const longest = () => Math.max(...all.map((row) => row.length));
    const before = longest();
    tokens.forEach((row, r) => {
      all[r].push(...row);
    });
    if (before === 0 || before > limit || longest() <= limit) return tokens;
    this.#past = 0;
    for (const slots of this.#positions) slots.length = 0;
    return all;
  }

  async #run(tokens: readonly (readonly number[])[]): Promise<Float32Array> {
    const { config } = this.#decoder;
    const rows = this.#rows;
    const fresh = Math.max(...tokens.map((t) => t.length));
    const ids = new Int32Array(rows * fresh);
    const positions = new Int32Array(rows * fresh);
    const last = new Int32Array(rows);
    tokens.forEach((row, r) => {
      const slots = this.#positions[r];
      const seen = slots.reduce((n, p) => n + (p >= 0 ? 1 : 0), 0);
      for (let t = 0; t < fresh; t++) {
        const isReal = t < row.length;
        slots.push(isReal ? seen + t : -1);
        ids[r * fresh + t] = isReal ? row[t] : 0;
        positions[r * fresh + t] = isReal ? seen + t : 0;
      }
      last[r] = r * fresh + Math.max(0, row.length - 1);
    });
    // Longrope keeps to the longest row even after it has ended; dynamic rope looks at the new tokens.
    const longest = this.#tokens
      ? Math.max(...this.#tokens.map((row) => row.length))
      : positions.reduce((m, p) => Math.max(m, p + 1), 1);
    const ropes = new Map<RopeConfig, { cos: Tensor; sin: Tensor }>();
    for (const { rope } of this.#decoder.layers) {
      if (ropes.has(rope)) continue;
      const { cos, sin } = ropeTables(rope, positions, { sequenceLength: longest });
      const dims = [rows * fresh, 1, rope.rotaryDim / 2];
      ropes.set(rope, {
        cos: this.backend.tensor('f32', dims, cos),
        sin: this.backend.tensor('f32', dims, sin),
      });
    }
    let x = await this.#decoder.embed(ids, [rows, fresh, config.hiddenSize]);
    for (let i = 0; i < this.#layers.length; i++) {
      const rope = ropes.get(this.#decoder.layers[i].rope) as { cos: Tensor; sin: Tensor };
      const next = await this.#layer(i, x, rope, fresh);
      x.dispose();
      x = next;
    }
    this.#past += fresh;
    const flat = this.backend.tensor(
      'f32',
      [rows * fresh, config.hiddenSize],
      (await x.read()) as Float32Array,
    );
    const h = await this.#decoder.normed(flat, last);
    for (const { cos, sin } of ropes.values()) for (const t of [cos, sin]) t.dispose();
    for (const t of [x, flat]) t.dispose();
    return this.#decoder.head.logits(h, rows);
  }

  async #layer(i: number, x: Tensor, rope: Record<string, Tensor>, fresh: number): Promise<Tensor> {
    const { config } = this.#decoder;
    const { spec, feeds, window } = this.#decoder.layers[i];
    const plain = this.#decoder.plainSpec(spec);
    const key = JSON.stringify(plain);
    let executable = this.#executables.get(key);
    if (!executable) {
      executable = this.backend.compile(layerCached(plain));
      this.#executables.set(key, executable);
    }
    const run = await executable;
    const cache = this.#layers[i];
    const rows = this.#rows;
    const slot = rows * config.kvHeads * config.headDim;
    const group = config.heads / config.kvHeads;
    const past = this.#past;
    const pastShape = [past, rows, config.kvHeads, config.headDim];
    const slotPositions = this.#positions.map((p) => Int32Array.from(p));
    const mask = cachedMask({ past, fresh, slotPositions }, group, window);
    const own = {
      mask: this.backend.tensor('f32', [rows, 1, group * fresh, past + fresh], mask),
      past_k: this.backend.tensor('f32', pastShape, cache.k.subarray(0, past * slot)),
      past_v: this.backend.tensor('f32', pastShape, cache.v.subarray(0, past * slot)),
    };
    const inputs = { ...feeds, ...(await this.#decoder.weightNorms(i)), ...rope, ...own, x };
    // The token after this one begins with the first layer again.
    const out = await this.#decoder.runLayer(run, i, (i + 1) % this.#layers.length, inputs);
    const [newK, newV] = (await this.backend.readAll([out.new_k, out.new_v])) as Float32Array[];
    cache.k = appended(cache.k, past * slot, newK);
    cache.v = appended(cache.v, past * slot, newV);
    for (const t of [out.new_k, out.new_v, ...Object.values(own)]) t.dispose();
    if (!plain.router) return out.y;
    return (await this.#decoder.withExperts(i, out, 'on', [rows, fresh, config.hiddenSize])).y;
  }
}

/** `fresh` written behind the first `used` floats. It doubles; the system gives memory only to what is written. */
function appended(store: Float32Array, used: number, fresh: Float32Array): Float32Array {
  let target = store;
  if (used + fresh.length > store.length) {
    target = new Float32Array(Math.max(used + fresh.length, store.length * 2));
    target.set(store.subarray(0, used));
    releaseArray(store);
  }
  target.set(fresh, used);
  return target;
}
