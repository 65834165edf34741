// In: a model config and a backend. Out: how fast this machine is on it, in a few seconds: plain products, and one LoRA
// layer of the model forward and backward by the functions that train. Weights are made up; nothing is loaded.
import { type Backend, sgemmGraph } from '@tunesmith/engine';
import { dequantise4Bit, quantise4Bit } from '#factory/model/bitsandbytes/four-bit.ts';
import { Decoder } from '#factory/model/decoder.ts';
import { expectedTensors } from '#factory/model/expected-tensors.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import type { StoredWeight } from '#factory/model/parameter.ts';
import { selectTrainable } from '#factory/model/trainable.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { ProbeResult } from '#factory/records/plan.ts';

/** A probe takes about as many operations as a large matrix product of some seconds. */
const PROBE_FLOPS = 4e11;
const RANK = 8;
const VOCABULARY = 256;
const UNPACK_VALUES = 2 ** 22;

export interface ProbeDeps {
  backend: Backend;
  /** Milliseconds, monotonic. */
  clock(): number;
}

export async function probeMachine(
  config: ModelConfig,
  batch: { rows: number; width: number },
  deps: ProbeDeps,
): Promise<ProbeResult> {
  const decoder = oneLayer(config, deps.backend);
  const inLayer = [...expectedTensors(decoder.config)]
    .filter(([name, shape]) => name.startsWith('model.layers.') && shape.length === 2)
    .reduce((n, [, [out, inputs]]) => n + out * inputs, 0);
  const width = Math.max(16, Math.min(batch.width, Math.floor(PROBE_FLOPS / (4 * inLayer))));
  const rows = Math.max(1, Math.min(batch.rows, Math.floor(PROBE_FLOPS / (4 * inLayer * width))));
  const ids = Int32Array.from({ length: width }, (_, i) => i % VOCABULARY);
  const packed = packBatch(Array.from({ length: rows }, () => ({ inputIds: ids, labels: ids })));
  let forwardSeconds = Number.POSITIVE_INFINITY;
  let backwardSeconds = Number.POSITIVE_INFINITY;
  // The first of each compiles and warms up.
  for (let i = 0; i < 2; i++) {
    const begun = deps.clock();
    const options = { residualBytes: Number.POSITIVE_INFINITY, dropoutKey: '' };
    const { h, tape } = await decoder.forwardTraining(packed, options);
    const middle = deps.clock();
    await decoder.backward(tape, h);
    forwardSeconds = Math.min(forwardSeconds, (middle - begun) / 1000);
    backwardSeconds = Math.min(backwardSeconds, (deps.clock() - middle) / 1000);
  }
  return {
    sgemmFlops: await sgemmFlops(config, packed.ids.length, deps),
    tokens: packed.ids.length,
    forwardSeconds,
    backwardSeconds,
    unpackSeconds: unpackSeconds(deps.clock),
  };
}

/** The model cut to one layer and a small vocabulary, with LoRA on all linear modules. */
function oneLayer(full: ModelConfig, backend: Backend): Decoder {
  const config: ModelConfig = {
    ...full,
    layers: 1,
    vocabSize: VOCABULARY,
    slidingWindow: full.slidingWindow.slice(0, 1),
  };
  const weights = new Map<string, StoredWeight>();
  const shapes = expectedTensors(config);
  for (const [name, shape] of shapes) {
    const values = shape.reduce((n, d) => n * d, 1);
    weights.set(
      name,
      shape.length === 2
        ? // 0.0156 as float16: the values do not matter to the time, unless they vanish.
          { shape, dtype: 'f16', data: new Uint16Array(values).fill(0x2400) }
        : { shape, dtype: 'f32', data: new Float32Array(values).fill(1) },
    );
  }
  const { loraModules } = selectTrainable(config, {
    finetuning_type: 'lora',
    lora_target: ['all'],
    freeze_trainable_layers: 2,
    freeze_trainable_modules: ['all'],
    freeze_extra_modules: [],
    use_llama_pro: false,
    additional_target: [],
  });
  const modules = new Map(
    loraModules.map((module) => {
      const [outputs, inputs] = shapes.get(`${module}.weight`) as number[];
      return [module, { a: new Float32Array(RANK * inputs).fill(0.01), b: new Float32Array(outputs * RANK) }];
    }),
  );
  const lora = { rank: RANK, scale: 2, dropout: 0, modules };
  return new Decoder({ backend, config, weights, lora, trained: new Set() });
}

async function sgemmFlops(
  config: ModelConfig,
  tokens: number,
  { backend, clock }: ProbeDeps,
): Promise<number> {
  const { hiddenSize: inputs, intermediateSize: outputs } = config;
  const product = await backend.compile(sgemmGraph());
  const rows = Math.min(tokens, 512);
  const x = backend.tensor('f32', [rows, inputs], new Float32Array(rows * inputs).fill(0.01));
  const w = backend.tensor('f32', [outputs, inputs], new Float32Array(outputs * inputs).fill(0.01));
  let best = 0;
  for (let i = 0; i < 3; i++) {
    const begun = clock();
    const { y } = await product.run({ x, w });
    best = Math.max(best, (2 * rows * inputs * outputs) / ((clock() - begun) / 1000));
    y.dispose();
  }
  await product.dispose();
  return best;
}

function unpackSeconds(clock: () => number): number {
  const values = new Float32Array(UNPACK_VALUES);
  const packed = quantise4Bit((from, to) => values.subarray(from, to), [UNPACK_VALUES], 'nf4', true);
  dequantise4Bit(packed, values);
  const begun = clock();
  dequantise4Bit(packed, values);
  return (clock() - begun) / 1000 / UNPACK_VALUES;
}
