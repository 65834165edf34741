// In: the layers that have experts, and what their graphs give up to the router. Out: the rest of such a layer: each
// expert runs over the rows that are routed to it, forward and backward. Only the weights of experts that are used are
// unpacked or read. Attention and the router are the decoder's.
import {
  type Backend,
  type Executable,
  type ExpertSpec,
  expertForward,
  expertTraining,
  type Graph,
  type ResidualPolicy,
  type Tensor,
} from '@tunesmith/engine';
import type { ExpertsConfig, ModelConfig } from '#factory/records/model-config.ts';
import { dropoutMask } from './dropout.ts';
import { withoutDropout } from './layer-spec-of.ts';
import { type LayerTensors, LayerWeights } from './layer-weights.ts';
import type { Parameter } from './parameter.ts';
import { type Route, routeGradient, routeTokens } from './routing.ts';

export interface Expert {
  spec: ExpertSpec;
  /** Own trained parameters by their name in the expert, and their tensors. */
  parameters: Map<string, Parameter>;
  feeds: Record<string, Tensor>;
}

/** What the graph of a layer with experts gives: [tokens, hidden] twice, and [tokens, experts]. */
type RouterOutputs = Record<'middle' | 'hidden' | 'logits', Tensor>;

export interface ExpertTape {
  hidden: Tensor;
  route: Route;
  policy: ResidualPolicy;
  /** Per expert that has rows. */
  residuals: Map<number, Record<string, Tensor>>;
  dropoutKey: string;
}

interface Setting {
  backend: Backend;
  config: ModelConfig & { experts: ExpertsConfig };
  /** By layer; none where it is dense. */
  layers: readonly { experts: readonly Expert[] }[];
  /** Base tensors of each layer's experts. */
  base: readonly (readonly LayerTensors[])[];
  readsAhead: boolean;
  dropout: number;
  compile(key: string, make: () => Graph): Promise<Executable>;
}

export class Experts {
  readonly #setting: Setting;
  readonly #weights: LayerWeights;
  /** Where the experts of a layer begin among those of all layers. */
  readonly #firstOf: readonly number[];
  readonly #used = new Set<Executable>();

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#weights = new LayerWeights(setting.backend, setting.base.flat(), setting.readsAhead ? 2 : 1);
    let next = 0;
    this.#firstOf = setting.base.map((own) => {
      next += own.length;
      return next - own.length;
    });
  }

  /** The output of layer `i`, of sizes `dims`, from what its graph gave, which is disposed. */
  async forward(
    i: number,
    out: RouterOutputs,
    { adapter, dims = out.hidden.dims }: { adapter: 'on' | 'off'; dims?: readonly number[] },
  ): Promise<{ y: Tensor; route: Route }> {
    const { layers, backend, compile } = this.#setting;
    const { hidden, y, route } = await this.#routed(out);
    for (const e of usedBy(route)) {
      const { spec } = layers[i].experts[e];
      const plain = { ...spec, projections: withoutDropout(spec.projections, adapter) };
      const run = await compile(`expert ${JSON.stringify(plain)}`, () => expertForward(plain));
      const { y: part, x, share } = await this.#run(run, i, e, { hidden, route }, {});
      addRows((await part.read()) as Float32Array, y, this.#tokensOf(route, e));
      for (const t of [part, x, share]) t.dispose();
    }
    out.hidden.dispose();
    return { y: backend.tensor('f32', dims, y), route };
  }

  /** The same, with what the backward pass needs; the caller frees the tape. */
  async forwardTraining(
    i: number,
    out: RouterOutputs,
    policy: ResidualPolicy,
    dropoutKey: string,
  ): Promise<{ y: Tensor; tape: ExpertTape }> {
    const { hidden, y, route } = await this.#routed(out);
    const tape: ExpertTape = { hidden: out.hidden, route, policy, residuals: new Map(), dropoutKey };
    try {
      for (const e of usedBy(route)) {
        const { forward } = await this.#training(i, e, policy);
        const masks = this.#dropout(i, e, tape);
        const { y: part, x, share, ...residuals } = await this.#run(forward, i, e, { hidden, route }, masks);
        tape.residuals.set(e, residuals);
        addRows((await part.read()) as Float32Array, y, this.#tokensOf(route, e));
        for (const t of [part, x, share, ...Object.values(masks)]) t.dispose();
      }
    } catch (error) {
      releaseExperts(tape);
      throw error;
    }
    return { y: this.#setting.backend.tensor('f32', tape.hidden.dims, y), tape };
  }

  /**
   * Cotangents of what the layer's graph gave but `middle`, whose is `dy` itself. `collect` takes the gradients of an expert's
   * parameters; `slope` as in routing.ts. The tape is released.
   */
  async backward(
    i: number,
    tape: ExpertTape,
    dy: Tensor,
    slope: Float32Array | null,
    collect: (out: Record<string, Tensor>, parameters: ReadonlyMap<string, Parameter>) => Promise<void>,
  ): Promise<{ d_hidden: Tensor; d_logits: Tensor }> {
    const { backend, layers, config } = this.#setting;
    const { route } = tape;
    const [hidden, dRows] = (await backend.readAll([tape.hidden, dy])) as Float32Array[];
    const dHidden = new Float32Array(hidden.length);
    const dShares = new Float32Array(route.shares.length);
    for (const e of usedBy(route)) {
      const { backward } = await this.#training(i, e, tape.policy);
      const tokens = this.#tokensOf(route, e);
      const masks = this.#dropout(i, e, tape);
      const d_y = this.#rows(dRows, tokens);
      const own = { ...masks, ...tape.residuals.get(e), d_y };
      const out = await this.#run(backward, i, e, { hidden, route }, own);
      const [dx, dShare] = (await backend.readAll([out.d_x, out.d_share])) as Float32Array[];
      addRows(dx, dHidden, tokens);
      for (const [n, place] of route.placesOf[e].entries()) dShares[place] = dShare[n];
      for (const t of [...Object.values(own), out.d_x, out.d_share, out.x, out.share]) t.dispose();
      tape.residuals.delete(e);
      await collect(out, layers[i].experts[e].parameters);
    }
    const dLogits = routeGradient(route, dShares, config.experts, slope);
    const { dims } = tape.hidden;
    releaseExperts(tape);
    return {
      d_hidden: backend.tensor('f32', dims, dHidden),
      d_logits: backend.tensor('f32', [dims[0], config.experts.count], dLogits),
    };
  }

  /** Gives back the scratch of the graphs that ran since the last call. */
  async shrink(): Promise<void> {
    for (const run of this.#used) await run.shrink();
    this.#used.clear();
  }

  /** `y` starts as the residual stream. */
  async #routed({ middle, hidden, logits }: RouterOutputs) {
    const { backend, config } = this.#setting;
    const values = (await backend.readAll([middle, hidden, logits])) as Float32Array[];
    const route = routeTokens(values[2], config.experts);
    const y = Float32Array.from(values[0]);
    middle.dispose();
    logits.dispose();
    return { hidden: values[1], y, route };
  }

  async #training(i: number, e: number, policy: ResidualPolicy) {
    const { layers, compile } = this.#setting;
    const { spec, parameters } = layers[i].experts[e];
    const trained = trainedOf(parameters);
    const key = JSON.stringify([spec, trained, policy]);
    const split = () => expertTraining(spec, trained, policy);
    return {
      forward: await compile(`expert forward ${key}`, () => split().forward),
      backward: await compile(`expert backward ${key}`, () => split().backward),
    };
  }

  /** Runs a graph of expert `e`; what it took in is in the result, for the caller to dispose. */
  async #run(
    run: Executable,
    i: number,
    e: number,
    { hidden, route }: { hidden: Float32Array; route: Route },
    own: Record<string, Tensor>,
  ): Promise<Record<string, Tensor>> {
    const { layers, backend } = this.#setting;
    const slot = this.#firstOf[i] + e;
    const following = usedBy(route).find((other) => other > e);
    this.#used.add(run);
    const shares = Float32Array.from(route.placesOf[e], (place) => route.shares[place]);
    const x = this.#rows(hidden, this.#tokensOf(route, e));
    const share = backend.tensor('f32', [shares.length, 1], shares);
    const base = await this.#weights.acquire(slot, following === undefined ? null : slot - e + following);
    try {
      const out = await run.run({ ...base, ...layers[i].experts[e].feeds, ...own, x, share });
      return { ...out, x, share };
    } finally {
      this.#weights.release(slot);
    }
  }

  #tokensOf({ placesOf }: Route, e: number): Int32Array {
    const { active } = this.#setting.config.experts;
    return placesOf[e].map((place) => Math.floor(place / active));
  }

  #rows(from: Float32Array, tokens: Int32Array): Tensor {
    const { backend, config } = this.#setting;
    const width = config.hiddenSize;
    const rows = new Float32Array(tokens.length * width);
    for (const [n, t] of tokens.entries()) rows.set(from.subarray(t * width, (t + 1) * width), n * width);
    return backend.tensor('f32', [tokens.length, width], rows);
  }

  #dropout(i: number, e: number, { route, dropoutKey }: ExpertTape): Record<string, Tensor> {
    const { layers, backend, dropout } = this.#setting;
    const rows = route.placesOf[e].length;
    const masks: Record<string, Tensor> = {};
    for (const [name, { lora, inFeatures }] of Object.entries(layers[i].experts[e].spec.projections)) {
      if (!lora?.dropout) continue;
      const values = dropoutMask(`${dropoutKey}/${i}/${e}/${name}`, rows * inFeatures, dropout);
      masks[`${name}.dropout`] = backend.tensor('f32', [rows, inFeatures], values);
    }
    return masks;
  }
}

export function expertTapeBytes({ hidden, residuals }: ExpertTape): number {
  const all = [hidden, ...[...residuals.values()].flatMap((r) => Object.values(r))];
  return all.reduce((n, t) => n + t.byteLength, 0);
}

export function releaseExperts({ hidden, residuals }: ExpertTape): void {
  hidden.dispose();
  for (const own of residuals.values()) for (const t of Object.values(own)) t.dispose();
  residuals.clear();
}

/** Which gradients a layer or an expert gives. */
export function trainedOf(parameters: ReadonlyMap<string, Parameter>): 'lora' | 'none' | string[] {
  const names = [...parameters.keys()];
  if (names.length === 0) return 'none';
  return names.every((n) => n.includes('.lora_')) ? 'lora' : names;
}

/** Experts that have rows, ascending. */
const usedBy = ({ placesOf }: Route): number[] =>
  placesOf.flatMap((places, e) => (places.length > 0 ? [e] : []));

function addRows(rows: Float32Array, into: Float32Array, tokens: Int32Array): void {
  const width = rows.length / tokens.length;
  for (const [n, t] of tokens.entries()) {
    const from = n * width;
    const to = t * width;
    for (let j = 0; j < width; j++) into[to + j] += rows[from + j];
  }
}
