// In: a folder of test/parity/models. Out: its reference figures, its tensors, and decoders built from it by the same code
// that training uses. Formats: README.md beside this file. It compares nothing by itself.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend } from '@tunesmith/engine';
import { loraScale } from '../../packages/factory/src/adapters/merge.ts';
import { checkAdapterFits, readPeftAdapter } from '../../packages/factory/src/adapters/peft.ts';
import { buildDecoder } from '../../packages/factory/src/model/build-decoder.ts';
import type { Decoder } from '../../packages/factory/src/model/decoder.ts';
import { expectedTensors } from '../../packages/factory/src/model/expected-tensors.ts';
import type { LoraOptions } from '../../packages/factory/src/model/layer-spec-of.ts';
import type { LoadOptions } from '../../packages/factory/src/model/load-weights.ts';
import { openModel } from '../../packages/factory/src/model/open-model.ts';
import type { ValueHead } from '../../packages/factory/src/model/value-head.ts';
import type { EncodedExample } from '../../packages/factory/src/records/encoded.ts';

const MODELS = fileURLToPath(new URL('./models/', import.meta.url));

export interface Curve {
  loss: number[];
  grad_norm: number[];
  learning_rate: number[];
  no_decay: string[];
}

interface Figures {
  loss: number;
  nll: number[][];
  last_logits: number[][];
}

export interface Reference {
  batch: { input_ids: number[][]; labels: number[][]; label_tokens: number };
  full: Figures & { logits: number[][][]; curve: Curve };
  lora: Figures & { curve: Curve };
  greedy: { prompt: number[]; full: { cached: number[] }; lora: { cached: number[] } };
  rslora?: Figures;
  balance?: { weight: number; loss: number };
  freeze?: { trainable: string[]; curve: Curve };
}

export interface FixtureTensor {
  shape: number[];
  data: Float32Array;
}

export function modelNames(): string[] {
  return readdirSync(MODELS, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [e.name] : []));
}

export const modelDir = (name: string): string => join(MODELS, name);

export function readReference(name: string): Reference {
  return JSON.parse(readFileSync(join(MODELS, name, 'reference.json'), 'utf8')) as Reference;
}

/** All tensors of an F32 safetensors file; read here on its own, so that our reader is not compared with itself. */
export function readTensors(path: string): Map<string, FixtureTensor> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, FixtureTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (entry.dtype !== 'F32') throw new Error(`${path}: ${name} is ${entry.dtype}, expected F32`);
    const [from, to] = entry.data_offsets;
    const data = new Float32Array(new Uint8Array(file.subarray(start + from, start + to)).buffer);
    tensors.set(name, { shape: entry.shape, data });
  }
  return tensors;
}

export function examplesOf({ batch }: Pick<Reference, 'batch'>): EncodedExample[] {
  return batch.input_ids.map((ids, row) => ({
    inputIds: Int32Array.from(ids),
    labels: Int32Array.from(batch.labels[row]),
  }));
}

export interface DecoderChoice {
  /** Folder of a PEFT adapter to train. */
  adapter?: string;
  /** Names of base tensors to train, or all of them. */
  trained?: 'all' | readonly string[];
  halfStorage?: boolean;
  valueHead?: ValueHead;
  edit?: LoadOptions['edit'];
}

/** A decoder of the model in `dir`, with fresh weights: training changes them in place. */
export async function decoderOf(backend: Backend, dir: string, choice: DecoderChoice = {}): Promise<Decoder> {
  const model = await openModel(dir, { cacheDir: join(dir, 'no-cache'), offline: true });
  try {
    const shapes = expectedTensors(model.config);
    const trained = choice.trained === 'all' ? [...shapes.keys()] : (choice.trained ?? []);
    let lora: LoraOptions | null = null;
    if (choice.adapter) {
      const adapter = await readPeftAdapter(choice.adapter);
      checkAdapterFits(adapter, shapes);
      lora = {
        rank: adapter.rank,
        scale: loraScale(adapter, adapter.pairs[0]),
        dropout: 0,
        modules: new Map(adapter.pairs.map(({ module, a, b }) => [module, { a, b }])),
      };
    }
    return await buildDecoder({
      backend,
      config: model.config,
      source: model.weights,
      trained: new Set(trained),
      lora,
      halfStorage: choice.halfStorage ?? false,
      valueHead: choice.valueHead,
      edit: choice.edit,
    });
  } finally {
    await model.weights.close();
  }
}
