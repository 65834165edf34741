// In: nothing but the step's learning rate. Out: Adafactor (Shazeer and Stern 2018) with the settings that Hugging Face's
// Trainer uses: the rate is given from outside (no relative step, no scaling by the parameter), no first moment, updates
// clipped to a root mean square of 1. A matrix keeps one number per row and one per column.
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';

const EPS = 1e-30;
const CLIP_THRESHOLD = 1;
const DECAY_RATE = -0.8;

export function adafactorRule(): UpdateRule {
  return {
    makeState(shape): ParameterState {
      if (shape.length < 2) return { v: zeros(shape) };
      return { row: zeros([shape[0]]), column: zeros([shape[1]]) };
    },
    step({ shape, value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const beta2 = 1 - step ** DECAY_RATE;
      const scale = Math.fround(gradScale);
      const update = new Float32Array(value.length);
      for (let i = 0; i < update.length; i++) update[i] = gradient[i] * scale;
      if (shape.length < 2) divideByRoot(update, floats(state, 'v'), beta2);
      else divideByFactors(update, floats(state, 'row'), floats(state, 'column'), beta2);
      let square = 0;
      for (const u of update) square += u * u;
      const rms = Math.sqrt(square / update.length);
      const rate = lr / Math.max(1, rms / CLIP_THRESHOLD);
      const decay = 1 - lr * weightDecay;
      for (let i = 0; i < update.length; i++) value[i] = value[i] * decay - rate * update[i];
    },
  };
}

function divideByRoot(update: Float32Array, v: Float32Array, beta2: number): void {
  for (let i = 0; i < update.length; i++) {
    v[i] = beta2 * v[i] + (1 - beta2) * (update[i] ** 2 + EPS);
    update[i] /= Math.sqrt(v[i]);
  }
}

/** The square at [i, j] is approximated by row[i] * column[j] / mean(row). */
function divideByFactors(update: Float32Array, row: Float32Array, column: Float32Array, beta2: number): void {
  const [rows, columns] = [row.length, column.length];
  const columnSum = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      const square = update[i * columns + j] ** 2 + EPS;
      sum += square;
      columnSum[j] += square;
    }
    row[i] = beta2 * row[i] + (1 - beta2) * (sum / columns);
  }
  for (let j = 0; j < columns; j++) column[j] = beta2 * column[j] + (1 - beta2) * (columnSum[j] / rows);
  const mean = row.reduce((a, b) => a + b, 0) / rows;
  const perColumn = Float64Array.from(column, (c) => 1 / Math.sqrt(c));
  for (let i = 0; i < rows; i++) {
    const perRow = 1 / Math.sqrt(row[i] / mean);
    for (let j = 0; j < columns; j++) update[i * columns + j] *= perRow * perColumn[j];
  }
}
