// In: a model config, weights in memory, and which of them (or which adapters) are trained. Out: a decoder that runs
// packed batches forward and backward, layer by layer. Losses, optimisers and files are not here.
import {
  type Accumulator,
  type Backend,
  type Executable,
  headNorm,
  type LayerGradients,
  type LayerSpec,
  layerForward,
  layerTraining,
  type ParameterGroup,
  type ResidualPolicy,
  type Tensor,
} from '@tunesmith/engine';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { batchInputs, maskKindOf, maskOf, releaseInputs } from './batch-inputs.ts';
import { addUniformNoise, dropoutMask } from './dropout.ts';
import { EMBEDDING, type EmbeddingRows, residentRows } from './embedding.ts';
import { Experts, type ExpertTape, expertTapeBytes, trainedOf } from './experts.ts';
import { isLargeBatch, type LoraOptions, residualBytes, withoutDropout } from './layer-spec-of.ts';
import { LayerWeights } from './layer-weights.ts';
import { type Layer, makeLayer } from './make-layer.ts';
import { OutputHead } from './output-head.ts';
import type { PackedBatch } from './packed-batch.ts';
import { makeParameter, type Parameter, type ParkedWeight, type StoredWeight } from './parameter.ts';
import { layerRopes, type RopeConfig } from './rope.ts';
import { balanceLoss, type Route } from './routing.ts';
import type { SpillFile } from './spill-file.ts';
import { recallEntry, releaseTape, spillEntry, type Tape, type TapeEntry } from './tape.ts';
import type { ValueHead } from './value-head.ts';
import { WeightNorms } from './weight-norms.ts';

export interface DecoderOptions {
  backend: Backend;
  config: ModelConfig;
  /** Every tensor that the config calls for and that is not parked; trained ones as f32. */
  weights: ReadonlyMap<string, StoredWeight>;
  /** Frozen tensors of layers that get their values only while the layer runs. */
  parked?: ReadonlyMap<string, ParkedWeight>;
  /** Where the embedding is not among the weights. */
  embedding?: EmbeddingRows;
  /** Two sets of scratch, so that parked tensors can be read ahead. */
  readsAhead?: boolean;
  lora: LoraOptions | null;
  /** Names of base tensors that are trained. */
  trained: ReadonlySet<string>;
  /** Scores rows, for reward models; trained with the rest. */
  valueHead?: ValueHead | null;
  /** Takes what training keeps of layers for which there is no room; without it they are computed again. */
  spill?: SpillFile | null;
}

export class Decoder {
  readonly config: ModelConfig;
  readonly head: OutputHead;
  readonly valueHead: ValueHead | null;
  /** All trained parameters, in a stable order. */
  readonly parameters: readonly Parameter[];
  readonly backend: Backend;
  readonly layers: readonly Layer[];
  /** Base tensors that rest in memory as plain values, by Hugging Face's name. */
  readonly weights: ReadonlyMap<string, StoredWeight>;
  readonly #layerWeights: LayerWeights;
  /** Whether parts of the base are read from its files while it runs, which must stay open. */
  readonly readsBase: boolean;
  readonly #rows: EmbeddingRows;
  readonly #trainedEmbedding: Parameter | null;
  readonly #trainedNorm: Parameter | null;
  readonly #norm: Tensor;
  readonly #ropes: readonly RopeConfig[];
  readonly #dropout: number;
  readonly #firstTrained: number;
  readonly #group: ParameterGroup;
  readonly #sums: Accumulator;
  readonly #executables = new Map<string, Promise<Executable>>();
  readonly #norms: WeightNorms;
  readonly #changesBase: boolean;
  readonly #spill: SpillFile | null;
  readonly #experts: Experts | null;
  readonly #indexOf: ReadonlyMap<Parameter, number>;

  constructor(options: DecoderOptions) {
    const { backend, config, weights, parked = new Map(), readsAhead, lora, trained } = options;
    const { valueHead = null } = options;
    this.backend = backend;
    this.config = config;
    this.weights = weights;
    this.#dropout = lora?.dropout ?? 0;
    this.#changesBase = lora?.changesBase ?? false;
    this.#spill = options.spill ?? null;
    this.#ropes = layerRopes(config);
    const parameters: Parameter[] = [];
    const own = (name: string): Parameter | null => {
      if (!trained.has(name)) return null;
      const { data, shape } = weights.get(name) as StoredWeight;
      const parameter = makeParameter(name, shape, data as Float32Array);
      parameters.push(parameter);
      return parameter;
    };
    const embedding = weights.get(EMBEDDING);
    this.#rows = options.embedding ?? residentRows(embedding as StoredWeight);
    this.readsBase = readsAhead === true || options.embedding !== undefined;
    this.#trainedEmbedding = own(EMBEDDING);
    const from = { weights, parked, lora, own, all: parameters };
    const made = this.#ropes.map((rope, i) => makeLayer(config, i, rope, from));
    this.layers = made.map(({ layer }) => layer);
    const base = made.map((m) => m.base);
    this.#layerWeights = new LayerWeights(backend, base, readsAhead ? 2 : 1);
    this.#norms = new WeightNorms(this.layers, async (key, make, i, feeds) =>
      this.runLayer(await this.#compile(key, make), i, i, feeds),
    );
    this.#experts = config.experts
      ? new Experts({
          backend,
          config: { ...config, experts: config.experts },
          layers: this.layers,
          base: made.map((m) => m.expertBase),
          readsAhead: readsAhead ?? false,
          dropout: this.#dropout,
          compile: (key, make) => this.#compile(key, make),
        })
      : null;
    const norm = weights.get('model.norm.weight') as StoredWeight;
    this.#trainedNorm = own('model.norm.weight');
    const head = (config.tieEmbeddings ? embedding : weights.get('lm_head.weight')) as StoredWeight;
    const trainedHead = config.tieEmbeddings ? this.#trainedEmbedding : own('lm_head.weight');
    this.head = new OutputHead(backend, head, trainedHead, config.logitCap);
    this.valueHead = valueHead;
    if (valueHead) parameters.push(valueHead.weight, valueHead.bias);
    this.parameters = parameters;
    // Embeddings are looked up on the host, and the head cuts its matrix into slices itself.
    const parts = this.layers.flatMap((layer) => [layer, ...layer.experts]);
    const fed = parts.flatMap((part) => [...part.parameters.values()]);
    if (this.#trainedNorm) fed.push(this.#trainedNorm);
    const arrayOf = (p: Parameter, data: Float32Array) => ({ dims: p.shape, data });
    this.#group = backend.parameters(fed.map((p) => arrayOf(p, p.value)));
    this.#sums = backend.accumulator(parameters.map((p) => arrayOf(p, p.gradient)));
    this.#indexOf = new Map(parameters.map((p, index) => [p, index]));
    const places = new Map(fed.map((p, place) => [p, place]));
    const tensorOf = (p: Parameter) => this.#group.tensors[places.get(p) as number];
    for (const { feeds, parameters: trainedHere } of parts)
      for (const [name, parameter] of trainedHere) feeds[name] = tensorOf(parameter);
    this.#norm = this.#trainedNorm
      ? tensorOf(this.#trainedNorm)
      : backend.tensor('f32', norm.shape, norm.data);
    const first = this.layers.findIndex((layer) =>
      [layer, ...layer.experts].some((part) => part.parameters.size > 0),
    );
    this.#firstTrained = this.#trainedEmbedding ? 0 : first < 0 ? config.layers : first;
  }

  /** To be called whenever values of parameters were written: a device then takes them anew. */
  parametersChanged(): void {
    this.#group.changed();
    this.#norms.parametersChanged();
    this.head.parametersChanged();
  }

  #compile(key: string, make: () => Parameters<Backend['compile']>[0]): Promise<Executable> {
    let executable = this.#executables.get(key);
    if (!executable) {
      executable = this.backend.compile(make());
      this.#executables.set(key, executable);
    }
    return executable;
  }

  /** Layers above this one need a gradient by their input. */
  #gradientsOf(i: number): LayerGradients {
    return {
      input: i > this.#firstTrained || this.#trainedEmbedding !== null,
      parameters: trainedOf(this.layers[i].parameters),
    };
  }

  #training(i: number, policy: ResidualPolicy, batch: PackedBatch, pass: 'forward' | 'backward') {
    const { spec } = this.layers[i];
    const gradients = this.#gradientsOf(i);
    const masks = maskKindOf(batch);
    const key = JSON.stringify([spec, gradients, policy, masks]);
    return this.#compile(`${pass} ${key}`, () => layerTraining(spec, gradients, policy, masks)[pass]);
  }

  /** All feeds but the base tensors; `own` are for one run only. */
  #layerFeeds(
    i: number,
    spec: LayerSpec,
    tape: Pick<Tape, 'shared' | 'batch' | 'dropoutKey'>,
  ): { all: Record<string, Tensor>; own: Tensor[] } {
    const { feeds, window, rope } = this.layers[i];
    const { shared, batch } = tape;
    const mask = maskOf(shared, window, batch);
    const all: Record<string, Tensor> = { ...feeds, ...shared.feeds, ...shared.ropes.get(rope), mask };
    const own: Tensor[] = [];
    for (const [name, { lora, inFeatures }] of Object.entries(spec.projections)) {
      if (!lora?.dropout) continue;
      const n = batch.ids.length;
      const values = dropoutMask(`${tape.dropoutKey}/${i}/${name}`, n * inFeatures, this.#dropout);
      const dropout = this.backend.tensor('f32', [n, inFeatures], values);
      all[`${name}.dropout`] = dropout;
      own.push(dropout);
    }
    return { all, own };
  }

  /** Runs a graph of layer `i` with the layer's base tensors; the layer `next` is likely to follow. */
  async runLayer(
    run: Executable,
    i: number,
    next: number | null,
    feeds: Record<string, Tensor>,
  ): Promise<Record<string, Tensor>> {
    const base = await this.#layerWeights.acquire(i, next);
    try {
      return await run.run({ ...base, ...feeds });
    } finally {
      this.#layerWeights.release(i);
    }
  }

  /** Whether all that is trained is an adapter, so that the model with it off is the one before training. */
  get isAdapted(): boolean {
    return (
      !this.#changesBase &&
      this.parameters.length > 0 &&
      this.parameters.every(({ name }) => name.includes('.lora_') || name.startsWith('v_head.'))
    );
  }

  /** With DoRA, the norms of the adapted weights of layer `i` for its graphs; valid until the parameters change. */
  weightNorms(i: number): Promise<Record<string, Tensor>> {
    return this.#norms.of(i);
  }

  /** New DoRA adapters begin with the norms of their weights, so that they change nothing yet. */
  async initialiseMagnitudes(): Promise<void> {
    for (const [i, { parameters }] of this.layers.entries()) {
      for (const [name, norm] of Object.entries(await this.weightNorms(i)))
        parameters
          .get(name.replace('weight_norm', 'lora_magnitude_vector'))
          ?.value.set((await norm.read()) as Float32Array);
    }
    this.parametersChanged();
  }

  /** Embeddings of `ids`, as a tensor of sizes `dims`. */
  async embed(ids: Int32Array, dims: number[]): Promise<Tensor> {
    return this.backend.tensor('f32', dims, await this.#embedded(ids));
  }

  async #embedded(ids: Int32Array): Promise<Float32Array> {
    const x = await this.#rows(ids);
    const scale = this.config.embeddingScale;
    if (scale !== 1) for (let i = 0; i < x.length; i++) x[i] *= scale;
    return x;
  }

  #embedBatch({ ids }: PackedBatch): Promise<Tensor> {
    return this.embed(ids, [ids.length, this.config.hiddenSize]);
  }

  /** The layer as it computes outside training: without dropout, or without its adapter at all. */
  plainSpec(spec: LayerSpec, adapter: 'on' | 'off' = 'on'): LayerSpec {
    return { ...spec, projections: withoutDropout(spec.projections, adapter) };
  }

  /**
   * The hidden rows that carry a label after the final norm, [M, hidden], without anything kept. With the adapter off it is
   * the base model that speaks: the reference of preference losses.
   */
  async forward(batch: PackedBatch, adapter: 'on' | 'off' = 'on'): Promise<Float32Array> {
    const tape = { shared: batchInputs(this.backend, batch, this.layers), batch, dropoutKey: '' };
    let x = await this.#embedBatch(batch);
    for (let i = 0; i < this.layers.length; i++) ({ y: x } = await this.#plainLayer(i, x, tape, adapter));
    const h = await this.normed(x, batch.labelIndex);
    x.dispose();
    releaseInputs(tape.shared);
    return h;
  }

  async #plainLayer(
    i: number,
    x: Tensor,
    tape: Pick<Tape, 'shared' | 'batch' | 'dropoutKey'>,
    adapter: 'on' | 'off' = 'on',
  ): Promise<{ y: Tensor; route: Route | null }> {
    const { spec } = this.layers[i];
    const plain = this.plainSpec(spec, adapter);
    const masks = maskKindOf(tape.batch);
    const key = `plain ${JSON.stringify([plain, masks])}`;
    const run = await this.#compile(key, () => layerForward(plain, masks));
    const { all } = this.#layerFeeds(i, plain, tape);
    const norms = adapter === 'on' ? await this.weightNorms(i) : {};
    const out = await this.runLayer(run, i, (i + 1) % this.layers.length, { ...all, ...norms, x });
    x.dispose();
    if (!plain.router) return { y: out.y, route: null };
    return this.withExperts(i, out, adapter);
  }

  /** The output of layer `i`, of sizes `dims`, from what its graph gave to the router. */
  withExperts(
    i: number,
    { middle, hidden, logits }: Record<string, Tensor>,
    adapter: 'on' | 'off' = 'on',
    dims?: readonly number[],
  ): Promise<{ y: Tensor; route: Route }> {
    return (this.#experts as Experts).forward(i, { middle, hidden, logits }, { adapter, dims });
  }

  async #headNorm() {
    const { hiddenSize, rmsNormEps, normOffset } = this.config;
    const split = () => headNorm(hiddenSize, rmsNormEps, this.#trainedNorm !== null, normOffset);
    return {
      forward: await this.#compile('head norm forward', () => split().forward),
      backward: await this.#compile('head norm backward', () => split().backward),
    };
  }

  /** Rows `index` of x [N, hidden], after the final norm: [M, hidden] in memory of its own. */
  async normed(x: Tensor, index: Int32Array): Promise<Float32Array> {
    const { forward } = await this.#headNorm();
    using rows = this.backend.tensor('i32', [index.length], index);
    const { h } = await forward.run({ x, index: rows, 'norm.weight': this.#norm });
    const out = Float32Array.from((await h.read()) as Float32Array);
    h.dispose();
    return out;
  }

  /**
   * Forward pass for training. At most `residualBytes` of layer inputs and residuals are kept, but inputs always; layers
   * beyond that are computed again in the backward pass, or wait on the disk. `dropoutKey` seeds the dropout masks of this batch, and the noise of
   * NEFTune (Jain et al. 2023), which is uniform in ±noiseAlpha / √(tokens of the longest example · hidden size).
   */
  async forwardTraining(
    batch: PackedBatch,
    options: { residualBytes: number; dropoutKey: string; noiseAlpha?: number; balanceWeight?: number },
  ): Promise<{ h: Float32Array; tape: Tape }> {
    const shared = batchInputs(this.backend, batch, this.layers);
    const embedded = await this.#embedded(batch.ids);
    const { hiddenSize } = this.config;
    const noise = (options.noiseAlpha ?? 0) / Math.sqrt(batch.longest * hiddenSize);
    if (noise > 0) addUniformNoise(`${options.dropoutKey}/neftune`, embedded, noise);
    let x = this.backend.tensor('f32', [batch.ids.length, hiddenSize], embedded);
    const tape: Tape = { entries: [], shared, batch, top: x, dropoutKey: options.dropoutKey, balance: null };
    const routes: Route[] = [];
    // What smaller batches left.
    await this.#shrinkLarge(batch, this.head, ...(await Promise.all(this.#executables.values())));
    let left = options.residualBytes;
    let before: Executable | null = null;
    try {
      for (let i = 0; i < this.layers.length; i++) {
        if (i < this.#firstTrained) {
          const below = await this.#plainLayer(i, x, tape);
          if (below.route) routes.push(below.route);
          x = below.y;
          tape.top = x;
          continue;
        }
        const hasRoom = left >= residualBytes(this.layers[i].spec, batch.ids.length);
        const policy: ResidualPolicy = hasRoom || this.#spill ? 'save' : 'recompute';
        const forward = await this.#training(i, policy, batch, 'forward');
        if (before && before !== forward) await this.#shrinkLarge(batch, before);
        before = forward;
        // After the last layer comes the backward pass, which begins with it.
        const next = i + 1 < this.layers.length ? i + 1 : null;
        const { all, own } = this.#layerFeeds(i, this.layers[i].spec, tape);
        const norms = await this.weightNorms(i);
        const out = await this.runLayer(forward, i, next, { ...all, ...norms, x });
        for (const t of own) t.dispose();
        const { y, residuals, experts } = await this.#finished(i, out, policy, tape);
        if (experts) routes.push(experts.route);
        const entry: TapeEntry = { layer: i, x, residuals, policy, experts, spilled: null };
        tape.entries.push(entry);
        tape.top = y;
        if (!hasRoom && this.#spill) await spillEntry(entry, this.#spill);
        else {
          left -= x.byteLength + (experts ? expertTapeBytes(experts) : 0);
          for (const t of Object.values(residuals)) left -= t.byteLength;
        }
        x = y;
      }
      if (before) await this.#shrinkLarge(batch, before);
      const { balanceWeight = 0 } = options;
      if (balanceWeight > 0 && this.config.experts) {
        const { loss, slope } = balanceLoss(routes, this.config.experts);
        tape.balance = { loss: balanceWeight * loss, slope: slope.map((d) => balanceWeight * d) };
      }
      return { h: await this.normed(x, batch.labelIndex), tape };
    } catch (error) {
      this.release(tape);
      throw error;
    }
  }

  /** What is left of a layer in training after its graph has run: the experts, where it has some. */
  async #finished(i: number, out: Record<string, Tensor>, policy: ResidualPolicy, tape: Tape) {
    if (!this.#experts || !this.layers[i].spec.router) {
      const { y, ...residuals } = out;
      return { y, residuals, experts: null };
    }
    const { middle, hidden, logits, ...residuals } = out;
    const given = { middle, hidden, logits };
    const { y, tape: experts } = await this.#experts.forwardTraining(i, given, policy, tape.dropoutKey);
    await this.#shrinkLarge(tape.batch, this.#experts);
    return { y, residuals, experts };
  }

  /**
   * Adds the gradients of all parameters, given d(loss)/dh [M, hidden] of the rows that `forwardTraining` returned.
   * With `hold`, a device may keep them until `takeGradients`.
   */
  async backward(tape: Tape, dh: Float32Array, { hold = false } = {}): Promise<void> {
    const { backend, config } = this;
    const { batch } = tape;
    try {
      const { forward, backward } = await this.#headNorm();
      await this.#shrinkLarge(batch, this.head, forward);
      const m = batch.labelIndex.length;
      using index = backend.tensor('i32', [m], batch.labelIndex);
      using dhRows = backend.tensor('f32', [m, config.hiddenSize], dh);
      const feeds = { x: tape.top, index, 'norm.weight': this.#norm, d_h: dhRows };
      const fromHead = await backward.run(feeds);
      await this.#shrinkLarge(batch, backward);
      await this.#collect(fromHead, new Map([['norm.weight', this.#trainedNorm]]));
      let dy: Tensor | null = fromHead.d_x;
      tape.top.dispose();
      let before: Executable | null = null;
      const recall = (entry: TapeEntry | undefined) => {
        const reading = recallEntry(entry, this.#spill);
        // What goes wrong is thrown where the entry is due.
        reading.catch(() => {});
        return reading;
      };
      let reading = recall(tape.entries.at(-1));
      while (dy && tape.entries.length > 0) {
        await reading;
        const entry = tape.entries.pop() as TapeEntry;
        reading = recall(tape.entries.at(-1));
        const { layer, x, residuals, policy, experts } = entry;
        const outputs = await this.#beforeExperts(layer, experts, dy, tape);
        if (trainedOf(this.layers[layer].parameters) === 'none' && !this.#gradientsOf(layer).input) {
          for (const t of [...Object.values(outputs), x, ...Object.values(residuals)]) t.dispose();
          entry.done?.();
          dy = null;
          break;
        }
        const run: Executable = await this.#training(layer, policy, batch, 'backward');
        if (before && before !== run) await this.#shrinkLarge(batch, before);
        before = run;
        const { all, own } = this.#layerFeeds(layer, this.layers[layer].spec, tape);
        const feeds = { ...all, ...(await this.weightNorms(layer)), ...residuals, x, ...outputs };
        const out = await this.runLayer(run, layer, tape.entries.at(-1)?.layer ?? 0, feeds);
        for (const t of [...Object.values(outputs), x, ...Object.values(residuals), ...own]) t.dispose();
        entry.done?.();
        await this.#collect(out, this.layers[layer].parameters);
        dy = out.d_x ?? null;
      }
      if (before) await this.#shrinkLarge(batch, before);
      if (this.#trainedEmbedding && dy)
        await this.#scatterEmbedding(batch.ids, dy, this.#trainedEmbedding.gradient);
      dy?.dispose();
      if (!hold) await this.takeGradients();
    } catch (error) {
      this.#sums.dispose();
      throw error;
    } finally {
      this.release(tape);
    }
  }

  /** Cotangents of what the graph of a layer gave, from that of the layer's output. */
  async #beforeExperts(
    i: number,
    experts: ExpertTape | null,
    dy: Tensor,
    { balance, batch }: Tape,
  ): Promise<Record<string, Tensor>> {
    if (!experts || !this.#experts) return { d_y: dy };
    const slope = balance?.slope ?? null;
    const collect = (out: Record<string, Tensor>, own: ReadonlyMap<string, Parameter>) =>
      this.#collect(out, own);
    const given = await this.#experts.backward(i, experts, dy, slope, collect);
    await this.#shrinkLarge(batch, this.#experts);
    return { d_middle: dy, ...given };
  }

  /** Adds what `backward` held to the gradients of the parameters. */
  takeGradients(): Promise<void> {
    return this.#sums.flush();
  }

  /** Adds each gradient `d_<name>` to the sum of its parameter and frees it; d_x is left alone. */
  async #collect(
    out: Record<string, Tensor>,
    parameters: ReadonlyMap<string, Parameter | null>,
  ): Promise<void> {
    for (const [name, parameter] of parameters) {
      const gradient = out[`d_${name}`];
      if (!gradient || !parameter) continue;
      await this.#sums.add(this.#indexOf.get(parameter) as number, gradient);
    }
  }

  async #scatterEmbedding(ids: Int32Array, dy: Tensor, gradient: Float32Array): Promise<void> {
    const d = (await dy.read()) as Float32Array;
    const { hiddenSize: width, embeddingScale: scale } = this.config;
    for (let i = 0; i < ids.length; i++) {
      const from = i * width;
      const to = ids[i] * width;
      for (let j = 0; j < width; j++) gradient[to + j] += scale * d[from + j];
    }
  }

  /** Scratch of one graph must not stand beside that of the next when a batch is large. */
  async #shrinkLarge(batch: PackedBatch, ...graphs: { shrink(): Promise<void> }[]): Promise<void> {
    if (!isLargeBatch(this.layers[0].spec, batch.ids.length)) return;
    for (const graph of graphs) await graph.shrink();
  }

  /** Frees the scratch of all graphs, before a phase of the run that uses others. */
  async shrink(): Promise<void> {
    for (const graph of await Promise.all(this.#executables.values())) await graph.shrink();
    await this.head.shrink();
    await this.#experts?.shrink();
    this.backend.trim(0);
  }

  /** Frees what a forward pass kept. Safe to call twice. */
  release(tape: Tape): void {
    releaseTape(tape, this.#spill);
  }
}
