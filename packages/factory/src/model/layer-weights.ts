// In: the frozen tensors of every layer, at hand or parked (packed, or on disk). Out: the feeds of one layer, just before
// it runs. Parked tensors are written into scratch that all layers share; what they are made from is for others to say.
import type { Backend, Tensor } from '@tunesmith/engine';
import { invariant } from '#factory/errors.ts';
import type { ParkedWeight, StoredWeight } from './parameter.ts';

/** The base tensors of one layer, by their names in the layer. */
export interface LayerTensors {
  resident: ReadonlyMap<string, StoredWeight>;
  parked: ReadonlyMap<string, ParkedWeight>;
}

/** Buffers for the parked tensors of one layer. */
interface Scratch {
  layer: number | null;
  users: number;
  /** When the layer's values are all there. */
  ready: Promise<void>;
  buffers: Map<string, ArrayBuffer>;
  tensors: Record<string, Tensor>;
  lastUse: number;
}

export class LayerWeights {
  readonly #backend: Backend;
  readonly #resident: readonly Record<string, Tensor>[];
  readonly #parked: readonly ReadonlyMap<string, ParkedWeight>[];
  readonly #scratch: readonly Scratch[];
  #clock = 0;

  /** `sets`: 1 where a layer is unpacked when it is due; 2 where the next one is read while one runs. */
  constructor(backend: Backend, layers: readonly LayerTensors[], sets: 1 | 2) {
    this.#backend = backend;
    this.#resident = layers.map(({ resident }) =>
      Object.fromEntries([...resident].map(([name, w]) => [name, backend.tensor(w.dtype, w.shape, w.data)])),
    );
    this.#parked = layers.map(({ parked }) => parked);
    this.#scratch = Array.from({ length: sets }, () => ({
      layer: null,
      users: 0,
      ready: Promise.resolve(),
      buffers: new Map(),
      tensors: {},
      lastUse: 0,
    }));
  }

  /** Bytes of all scratch that was needed so far. */
  get scratchBytes(): number {
    return this.#scratch.reduce(
      (n, { buffers }) => [...buffers.values()].reduce((m, b) => m + b.byteLength, n),
      0,
    );
  }

  /**
   * The feeds of layer `i`, valid until `release(i)`. `next` is the layer that will be asked for after it, if known: with
   * two sets it is read meanwhile.
   */
  async acquire(i: number, next: number | null): Promise<Record<string, Tensor>> {
    if (this.#parked[i].size === 0) return this.#resident[i];
    const scratch = this.#find(i) ?? this.#claim(i);
    invariant(scratch, `layer ${i} is asked for while other layers hold all scratch`);
    scratch.users++;
    scratch.lastUse = ++this.#clock;
    try {
      await scratch.ready;
    } catch (error) {
      scratch.users--;
      scratch.layer = null;
      throw error;
    }
    if (next !== null && this.#scratch.length > 1 && this.#parked[next].size > 0 && !this.#find(next)) {
      // What goes wrong is thrown when the layer is asked for.
      this.#claim(next)?.ready.catch(() => {});
    }
    return { ...this.#resident[i], ...scratch.tensors };
  }

  release(i: number): void {
    if (this.#parked[i].size === 0) return;
    const scratch = this.#find(i);
    invariant(scratch && scratch.users > 0, `layer ${i} is released without having been acquired`);
    scratch.users--;
  }

  #find(layer: number): Scratch | undefined {
    return this.#scratch.find((s) => s.layer === layer);
  }

  /** The set that nobody has used for longest begins to hold `layer`; undefined when all are in use. */
  #claim(layer: number): Scratch | undefined {
    const free = this.#scratch.filter((s) => s.users === 0).sort((a, b) => a.lastUse - b.lastUse)[0];
    if (!free) return undefined;
    free.layer = layer;
    // Reads that were begun for another layer still write into the buffers.
    free.ready = free.ready.catch(() => {}).then(() => this.#fill(free, this.#parked[layer]));
    return free;
  }

  async #fill(scratch: Scratch, parked: ReadonlyMap<string, ParkedWeight>): Promise<void> {
    const loads: (void | Promise<void>)[] = [];
    for (const tensor of Object.values(scratch.tensors)) tensor.dispose();
    scratch.tensors = {};
    for (const [name, weight] of parked) {
      const count = weight.shape.reduce((n, d) => n * d, 1);
      const bytes = count * (weight.dtype === 'f32' ? 4 : 2);
      let buffer = scratch.buffers.get(name);
      if (!buffer || buffer.byteLength < bytes) {
        buffer = new ArrayBuffer(bytes);
        scratch.buffers.set(name, buffer);
      }
      const into =
        weight.dtype === 'f32' ? new Float32Array(buffer, 0, count) : new Uint16Array(buffer, 0, count);
      scratch.tensors[name] = this.#backend.tensor(weight.dtype, weight.shape, into);
      loads.push(weight.load(into));
    }
    // All of them, so that none still writes when an error frees the set.
    await Promise.allSettled(loads);
    await Promise.all(loads);
  }
}
