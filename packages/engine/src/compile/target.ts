// In: nothing. Out: what lowering must know of the place where a graph will run.

export interface Target {
  /** ONNX Runtime's execution provider. */
  provider: 'cpu' | 'webgpu' | 'cuda';
  /** Whether kernels can read f16. Where they cannot, f16 inputs are fed as f32, and nothing can be cast to f16. */
  halfFloats: boolean;
}

export const CPU: Target = { provider: 'cpu', halfFloats: true };
