// In: nothing. Out: what a plan needs to know about one training step of a model: bytes of each thing that the engine
// holds, as `model/step-facts.ts` counts them. Times, budgets and advice are not here.

/** The largest micro batch of a run. */
export interface BatchSize {
  /** Rows of the attention grid and their width. */
  rows: number;
  width: number;
  /** Real tokens. */
  tokens: number;
  /** Positions whose next token carries a label. */
  labels: number;
}

export interface WeightFacts {
  parameters: number;
  /** Parameters in the matrices that a token passes through: the linear layers, and the output head. */
  layerParameters: number;
  headParameters: number;
  /** Bytes of the base at rest, and the most of it that stands while it is read. */
  restBytes: number;
  loadingBytes: number;
  /** Scratch that parked matrices are unpacked into. */
  unpackBytes: number;
  /** The base as files. */
  diskBytes: number;
  /** Trained values: adapters, or base tensors (those are in restBytes too). */
  trainedParameters: number;
  adapterParameters: number;
  /** What is saved at the end. */
  savedBytes: number;
  /** What the optimiser keeps. */
  optimizerBytes: number;
}

/** One decoder layer at this batch size. Layers of one `kind` share their graphs and the scratch of these. */
export interface LayerFacts {
  kind: string;
  /** Below the lowest trained layer nothing is kept and nothing comes back. */
  isBelow: boolean;
  /** What the forward pass keeps under `save`. */
  residualBytes: number;
  /** Gradients that the backward graph returns. */
  gradientBytes: number;
  scratch: {
    forward: { save: number; recompute: number };
    backward: { save: number; recompute: number };
    plain: number;
  };
}

export interface StepFacts {
  batch: BatchSize;
  weights: WeightFacts;
  layers: readonly LayerFacts[];
  /** [tokens, hidden], and [labels, hidden], as float32. */
  hiddenBytes: number;
  labelRowBytes: number;
  headScratchBytes: number;
  /** Graphs that work out the row norms of DoRA. */
  normScratchBytes: number;
  /** Masks, rope tables, grid. */
  sharedBytes: number;
  /** Dropout masks of one layer. */
  dropoutBytes: number;
  /** The scratch of a graph is given back before another one runs. */
  isLarge: boolean;
  /** What the decoder sets aside for a layer's scratch before it keeps residuals. */
  setAsideBytes: number;
  /** What the decoder takes a layer's residuals for, before it has them. */
  residualEstimateBytes: number;
}

/** A pass without gradients. */
export interface PassFacts {
  /** Scratch of each graph that runs in it. */
  scratchBytes: readonly number[];
  /** Arrays that it holds: rows, masks, keys and values, logits. */
  heldBytes: number;
}

/** What a run has beside its steps: other models, and passes that take turns with the steps. */
export interface BesideFacts {
  /** Other models at rest, and the most that opening them takes beyond that. */
  restBytes: number;
  loadingBytes: number;
  /** All reading is done before the first step, and the other models are closed then. */
  isFirst: boolean;
  /** Of sequences, by references and reward models, one after the other. */
  reading: readonly PassFacts[];
  /** Of answers. */
  writing: PassFacts | null;
}
