// In: a few rows of ids and labels. Out: the rows one after the other without padding, with the grid that attention needs
// and the positions whose next token carries a label. Text, files and the engine are unknown here.
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';

export interface PackedBatch {
  /** Rows of the grid, and their width: the length of the longest row, or of the longest part of a packed row. */
  rows: number;
  width: number;
  /** Tokens of the longest example, whatever parts it has; of a tree, of its longest path. */
  longest: number;
  /** [N] token ids of all rows, end to end. */
  ids: Int32Array;
  /** [N] position of each token in its row, or in its part of a packed row. */
  positions: Int32Array;
  /** [rows * width] which packed token stands in a slot of the grid (any, where `real` is 0). */
  slotOf: Int32Array;
  /** [rows * width] 1 for a token, 0 for padding. */
  real: Float32Array;
  /** [N] slot of each packed token. */
  place: Int32Array;
  /** [rows * width] where the part of each slot begins in its grid row; null when no grid row holds two parts. */
  partStart: Int32Array | null;
  /** [rows * width] in a batch of token trees: the slot in the same grid row that each slot comes after, -1 for none. */
  parent?: Int32Array;
  /** [M] packed positions whose next token is a label, ascending. */
  labelIndex: Int32Array;
  /** [M] those next tokens. */
  targets: Int32Array;
  /** [examples + 1] where each example's labels begin in `labelIndex`. */
  labelStart: Int32Array;
}

/** Examples with `starts` are taken apart again: their parts attend to themselves only, and share rows of the grid. */
export function packBatch(examples: readonly EncodedExample[]): PackedBatch {
  const parts = examples.flatMap(partsOf);
  const lengths = parts.map(({ from, to }) => to - from);
  const width = Math.max(...lengths);
  const total = lengths.reduce((a, b) => a + b, 0);
  const isPacked = examples.some((e) => e.starts);
  const seats = isPacked ? seatsOf(lengths, width) : lengths.map((_, row) => ({ row, at: 0 }));
  const rows = Math.max(...seats.map(({ row }) => row)) + 1;
  const shares = seats.some(({ at }) => at > 0);

  const ids = new Int32Array(total);
  const positions = new Int32Array(total);
  const place = new Int32Array(total);
  const slotOf = new Int32Array(rows * width);
  const real = new Float32Array(rows * width);
  const partStart = shares ? new Int32Array(rows * width) : null;
  const labelIndex: number[] = [];
  const targets: number[] = [];
  const labelStart = new Int32Array(examples.length + 1);
  let n = 0;
  parts.forEach(({ example, from, to }, i) => {
    const { inputIds, labels } = examples[example];
    if (from === 0) labelStart[example] = labelIndex.length;
    const { row, at } = seats[i];
    const first = row * width + at;
    // Padding names a token that exists: of its own row, or the first of all where rows are shared.
    if (!shares) slotOf.fill(n, first, first + width);
    partStart?.fill(at, first, first + to - from);
    for (let t = 0; t < to - from; t++, n++) {
      ids[n] = inputIds[from + t];
      positions[n] = t;
      place[n] = first + t;
      slotOf[first + t] = n;
      real[first + t] = 1;
      // Position t predicts token t + 1, so the first label of a part is never used.
      const next = from + t + 1;
      if (next < to && labels[next] !== IGNORE_INDEX) {
        labelIndex.push(n);
        targets.push(labels[next]);
      }
    }
  });
  labelStart[examples.length] = labelIndex.length;
  return {
    rows,
    width,
    longest: Math.max(...examples.map((e) => e.inputIds.length)),
    ids,
    positions,
    slotOf,
    real,
    place,
    partStart,
    labelIndex: Int32Array.from(labelIndex),
    targets: Int32Array.from(targets),
    labelStart,
  };
}

/** Label tokens that take part in the loss of a row: those after the first position of each part. */
export function countLabels(example: EncodedExample): number {
  let count = 0;
  for (const { from, to } of partsOf(example, 0))
    for (let t = from + 1; t < to; t++) if (example.labels[t] !== IGNORE_INDEX) count++;
  return count;
}

interface Part {
  example: number;
  from: number;
  to: number;
}

function partsOf({ inputIds, starts = [0] }: EncodedExample, example: number): Part[] {
  return starts.map((from, i) => ({ example, from, to: starts[i + 1] ?? inputIds.length }));
}

/**
 * Grid rows for parts: longest first, each into the first row with room. Attention costs rows * width², so rows as long as
 * the longest part, well filled, cost less than a row per part or than whole packs.
 */
function seatsOf(lengths: readonly number[], width: number): { row: number; at: number }[] {
  const seats: { row: number; at: number }[] = new Array(lengths.length);
  const used: number[] = [];
  const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a] || a - b);
  for (const i of order) {
    let row = used.findIndex((taken) => taken + lengths[i] <= width);
    if (row < 0) row = used.push(0) - 1;
    seats[i] = { row, at: used[row] };
    used[row] += lengths[i];
  }
  return seats;
}
