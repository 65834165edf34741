// In: the config.json of a Phi-3 or Phi-4 model. Out: its ModelConfig. q, k and v are one matrix, gate and up another.
import { type ArchitectureSpec, readDecoder } from './decoder-config.ts';

export const phi3: ArchitectureSpec = {
  architecture: 'phi3',
  modelTypes: ['phi3'],
  className: 'Phi3ForCausalLM',
  read(fields) {
    for (const key of ['resid_pdrop', 'embd_pdrop'])
      if (fields.number(key, { fallback: 0 }) !== 0) throw fields.bad(key, '0');
    const window = fields.has('sliding_window')
      ? fields.integer('sliding_window', { max: 2 ** 31 - 1 })
      : null;
    return readDecoder(fields, {
      architecture: 'phi3',
      maxPositions: 4096,
      kvHeads: null,
      headDim: null,
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      windows: (layers) => new Array(layers).fill(window),
      rmsNormEps: 1e-5,
      fusedQkv: true,
      fusedGateUp: true,
      partialRotary: 1,
    });
  },
};
