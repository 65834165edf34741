// In: a few rows of ids and labels. Out: the rows one after the other without padding, with the grid that attention needs
// and the positions whose next token carries a label. Text, files and the engine are unknown here.
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';

export interface PackedBatch {
  /** Number of rows, and the length of the longest. */
  rows: number;
  width: number;
  /** [N] token ids of all rows, end to end. */
  ids: Int32Array;
  /** [N] position of each token in its row. */
  positions: Int32Array;
  /** [rows * width] which packed token stands in a slot of the grid (any, where `real` is 0). */
  slotOf: Int32Array;
  /** [rows * width] 1 for a token, 0 for padding. */
  real: Float32Array;
  /** [N] slot of each packed token. */
  place: Int32Array;
  /** [M] packed positions whose next token is a label, ascending. */
  labelIndex: Int32Array;
  /** [M] those next tokens. */
  targets: Int32Array;
  /** [rows + 1] where each row's labels begin in `labelIndex`. */
  labelStart: Int32Array;
}

export function packBatch(examples: readonly EncodedExample[]): PackedBatch {
  const rows = examples.length;
  const width = Math.max(...examples.map((e) => e.inputIds.length));
  const total = examples.reduce((n, e) => n + e.inputIds.length, 0);
  const ids = new Int32Array(total);
  const positions = new Int32Array(total);
  const place = new Int32Array(total);
  const slotOf = new Int32Array(rows * width);
  const real = new Float32Array(rows * width);
  const labelIndex: number[] = [];
  const targets: number[] = [];
  const labelStart = new Int32Array(rows + 1);
  let n = 0;
  examples.forEach(({ inputIds, labels }, row) => {
    labelStart[row] = labelIndex.length;
    slotOf.fill(n, row * width, (row + 1) * width);
    for (let t = 0; t < inputIds.length; t++, n++) {
      const slot = row * width + t;
      ids[n] = inputIds[t];
      positions[n] = t;
      place[n] = slot;
      slotOf[slot] = n;
      real[slot] = 1;
      // Position t predicts token t + 1, so the first label of a row is never used.
      if (t + 1 < labels.length && labels[t + 1] !== IGNORE_INDEX) {
        labelIndex.push(n);
        targets.push(labels[t + 1]);
      }
    }
  });
  labelStart[rows] = labelIndex.length;
  return {
    rows,
    width,
    ids,
    positions,
    slotOf,
    real,
    place,
    labelIndex: Int32Array.from(labelIndex),
    targets: Int32Array.from(targets),
    labelStart,
  };
}

/** Label tokens that take part in the loss of a row: those after its first position. */
export function countLabels({ labels }: EncodedExample): number {
  let count = 0;
  for (let t = 1; t < labels.length; t++) if (labels[t] !== IGNORE_INDEX) count++;
  return count;
}
