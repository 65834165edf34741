// In: token ids of several rows, a few at a time. Out: hidden states of the new tokens, with keys and values kept so that
// earlier tokens are never run again. Sampling and text are not here.
import { type Backend, type Executable, layerCached, type Tensor } from '@tunesmith/engine';
import { cachedMask } from './attention-mask.ts';
import type { Decoder } from './decoder.ts';
import { ropeTables } from './rope.ts';

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

  /** `executables` may be shared by all caches over one decoder. */
  constructor(decoder: Decoder, rows: number, executables: Map<string, Promise<Executable>> = new Map()) {
    this.#decoder = decoder;
    this.#rows = rows;
    this.#layers = decoder.layers.map(() => ({ k: new Float32Array(0), v: new Float32Array(0) }));
    this.#positions = Array.from({ length: rows }, () => []);
    this.#executables = executables;
  }

  get backend(): Backend {
    return this.#decoder.backend;
  }

  /**
   * Appends tokens[r] to row r (right-padded to the longest; an empty list leaves the row as it is) and returns the logits
   * after the last token of each row, [rows, vocab]; those of a row without tokens mean nothing.
   */
  async append(tokens: readonly (readonly number[])[]): Promise<Float32Array> {
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
    const longest = positions.reduce((m, p) => Math.max(m, p + 1), 1);
    const { cos, sin } = ropeTables(config, positions, { sequenceLength: longest });
    const half = config.headDim / 2;
    const shared = {
      cos: this.backend.tensor('f32', [rows * fresh, 1, half], cos),
      sin: this.backend.tensor('f32', [rows * fresh, 1, half], sin),
    };
    let x = this.#decoder.embed(ids, [rows, fresh, config.hiddenSize]);
    for (let i = 0; i < this.#layers.length; i++) {
      const next = await this.#layer(i, x, shared, fresh);
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
    x.dispose();
    return this.#decoder.head.logits(h, rows);
  }

  async #layer(i: number, x: Tensor, shared: Record<string, Tensor>, fresh: number): Promise<Tensor> {
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
    const inputs = {
      ...feeds,
      ...shared,
      x,
      mask: this.backend.tensor('f32', [rows, 1, group * fresh, past + fresh], mask),
      past_k: this.backend.tensor('f32', pastShape, cache.k.subarray(0, past * slot)),
      past_v: this.backend.tensor('f32', pastShape, cache.v.subarray(0, past * slot)),
    };
    // The token after this one begins with the first layer again.
    const out = await this.#decoder.runLayer(run, i, (i + 1) % this.#layers.length, inputs);
    cache.k = appended(cache.k, past * slot, (await out.new_k.read()) as Float32Array);
    cache.v = appended(cache.v, past * slot, (await out.new_v.read()) as Float32Array);
    out.new_k.dispose();
    out.new_v.dispose();
    return out.y;
  }
}

/** `fresh` written behind the first `used` floats; grows by doubling. */
function appended(store: Float32Array, used: number, fresh: Float32Array): Float32Array {
  let target = store;
  if (used + fresh.length > store.length) {
    target = new Float32Array(Math.max(used + fresh.length, store.length * 2));
    target.set(store.subarray(0, used));
  }
  target.set(fresh, used);
  return target;
}
