// In: layers with DoRA adapters and a way to run their graphs. Out: the norms of the rows of W + s B A, per projection, kept
// until the adapters change.
import {
  doraNorms,
  doraProjections,
  doraSquares,
  type Graph,
  type LayerSpec,
  type Tensor,
} from '@tunesmith/engine';

type Tensors = Record<string, Tensor>;
/** Runs a graph, compiled once per key, with the base tensors of layer `i` and `feeds`. */
type RunLayer = (key: string, make: () => Graph, i: number, feeds: Tensors) => Promise<Tensors>;

export class WeightNorms {
  readonly #layers: readonly { spec: LayerSpec; feeds: Tensors }[];
  readonly #run: RunLayer;
  /** Squared norms of the frozen weights' rows, by layer. */
  readonly #squares = new Map<number, Tensors>();
  readonly #norms = new Map<number, Tensors>();
  readonly #stale = new Set<number>();

  constructor(layers: readonly { spec: LayerSpec; feeds: Tensors }[], run: RunLayer) {
    this.#layers = layers;
    this.#run = run;
  }

  parametersChanged(): void {
    for (const i of this.#norms.keys()) this.#stale.add(i);
  }

  /** `<projection>.weight_norm` [out] for every projection of layer `i` that has a magnitude vector. */
  async of(i: number): Promise<Tensors> {
    const { spec, feeds } = this.#layers[i];
    if (doraProjections(spec).length === 0) return {};
    const known = this.#norms.get(i);
    if (known && !this.#stale.has(i)) return known;
    const key = JSON.stringify(spec);
    let squares = this.#squares.get(i);
    if (!squares) {
      squares = await this.#run(`squares ${key}`, () => doraSquares(spec), i, {});
      this.#squares.set(i, squares);
    }
    const norms = await this.#run(`norms ${key}`, () => doraNorms(spec), i, { ...feeds, ...squares });
    for (const tensor of Object.values(known ?? {})) tensor.dispose();
    this.#norms.set(i, norms);
    this.#stale.delete(i);
    return norms;
  }
}
