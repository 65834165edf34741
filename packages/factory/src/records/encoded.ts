// In: nothing. Out: rows as token ids, and the batches made of them.

/** Labels with this value carry no loss. */
export const IGNORE_INDEX = -100;

/** `inputIds` and `labels` have the same length; `labels[i]` is `inputIds[i]` or IGNORE_INDEX (not yet shifted). */
export interface EncodedExample {
  inputIds: Int32Array;
  labels: Int32Array;
  /** Rows packed by neat_packing only: where each of them starts. Attention, positions and labels stay within them. */
  starts?: number[];
}

/** All rows of a data set after tokenising, with the facts that a run must be able to prove. */
export interface EncodedDataset {
  examples: EncodedExample[];
  /** Neighbours in `examples` that form one row: chosen and rejected, or an answer and its mismatched one (KTO). */
  sequencesPerRow: 1 | 2;
  /** Rated answers only (KTO): one per row. */
  isDesirable?: boolean[];
  /** Hex SHA-256 over content, template, tokenizer and settings: the identity of these ids. */
  fingerprint: string;
  totals: {
    used: number;
    repaired: number;
    truncated: number;
    dropped: number;
    tokens: number;
    labelTokens: number;
  };
}
