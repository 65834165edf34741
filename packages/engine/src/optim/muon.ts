// In: settings of Muon. Out: its rule for matrices (Jordan et al. 2024; Liu et al. 2025, "Muon is Scalable for LLM
// Training"): Nesterov momentum, made nearly orthogonal by Newton-Schulz iterations. The step is 0.2 √(longer side) times
// the learning rate, so that updates are as large as AdamW's. Everything here is float32, where the reference iterates in
// bf16 to save time on GPUs.
import { type Matrix, type MatrixProduct, matrix, norm, scaledGradient, transposed } from './matrix.ts';
import { floats, type UpdateRule, zeros } from './optimizer.ts';

const MOMENTUM = 0.95;
const ITERATIONS = 5;
/** Of the quintic a x + b x³ + c x⁵, with the steepest slope at zero that still stays bounded. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** For matrices only. */
export function muonRule(product: MatrixProduct): UpdateRule {
  return {
    makeState: (shape) => ({ momentum: zeros(shape) }),
    async step(parameter, state, { lr, weightDecay, gradScale }) {
      const { shape, value } = parameter;
      const gradient = scaledGradient(parameter, gradScale);
      const buffer = floats(state, 'momentum');
      for (let i = 0; i < buffer.length; i++) {
        buffer[i] = MOMENTUM * buffer[i] + gradient.data[i];
        gradient.data[i] += MOMENTUM * buffer[i];
      }
      const update = await orthogonalised(gradient, product);
      const rate = lr * 0.2 * Math.sqrt(Math.max(...shape));
      const kept = 1 - lr * weightDecay;
      for (let i = 0; i < value.length; i++) value[i] = value[i] * kept - rate * update.data[i];
    },
  };
}

/** Nearly U Vᵀ of the singular value decomposition: singular values end between about 0.7 and 1.2. */
async function orthogonalised(g: Matrix, product: MatrixProduct): Promise<Matrix> {
  if (g.rows > g.columns) return transposed(await orthogonalised(transposed(g), product));
  const perNorm = 1 / (norm(g.data) + 1e-7);
  let x = matrix(
    g.rows,
    g.columns,
    g.data.map((v) => v * perNorm),
  );
  for (let i = 0; i < ITERATIONS; i++) {
    const gram = await product(x, x, { b: true });
    const square = await product(gram, gram);
    for (let j = 0; j < gram.data.length; j++) gram.data[j] = B * gram.data[j] + C * square.data[j];
    const next = await product(gram, x);
    for (let j = 0; j < next.data.length; j++) next.data[j] += A * x.data[j];
    x = next;
  }
  return x;
}
