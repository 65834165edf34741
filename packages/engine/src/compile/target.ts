// In: nothing. Out: what lowering must know of the place where a graph will run.

export interface Target {
  /** ONNX Runtime's execution provider. */
  provider: 'cpu' | 'webgpu' | 'cuda';
  /** Whether kernels can read f16. Where they cannot, f16 inputs are fed as f32, and nothing can be cast to f16. */
  halfFloats: boolean;
  /** Whether the first output is HALT, which stands for no tensor: see run/outputs-in-place.ts. */
  halts?: boolean;
}

export const CPU: Target = { provider: 'cpu', halfFloats: true };

/** Name of the output at which the runtime's Node binding stops handing out copies. */
export const HALT = 'halt';
