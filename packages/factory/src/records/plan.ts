// In: nothing. Out: the records of a plan: what each way of training takes, and which is advised.

/** What a machine did in a short test. */
export interface ProbeResult {
  /** Plain products, in FLOP/s. */
  sgemmFlops: number;
  /** One layer of this model, by LoRA: seconds for `tokens` tokens. */
  tokens: number;
  forwardSeconds: number;
  backwardSeconds: number;
  /** Seconds per value of unpacking 4-bit weights. */
  unpackSeconds: number;
}

export interface PlannedMethod {
  id: string;
  title: string;
  /** Keys of `tunesmith train` that choose it. */
  keys: Record<string, string | number | boolean>;
  /** Bytes at the peak by term, their sum, and how residuals are treated there. */
  terms: Record<string, number>;
  peakBytes: number;
  /** What the run does at its peak. Terms are those of that moment: while weights are loaded there are no gradients yet. */
  phase: 'loading' | 'opening' | 'reading' | 'writing' | 'forward' | 'head' | 'backward';
  savedLayers: number;
  trainedLayers: number;
  /** The room for residuals that was chosen under the budget. */
  residualBytes: number;
  trainedParameters: number;
  /** Files of the base, one checkpoint, and what is written at the end. */
  diskBytes: number;
  fits: boolean;
  /** The method by the formula for PyTorch on a GPU, for comparison; null where the formula has no such method. */
  gpuBytes: number | null;
  secondsPerStep: number | null;
  secondsPerEpoch: number | null;
}

export interface Change {
  title: string;
  keys: Record<string, string | number | boolean>;
  peakBytes: number;
}
