// Files of our models are those of llama.cpp's own converter, tensor by tensor and key by key (test/parity/gguf).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { GgufFields } from '#factory/records/gguf.ts';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { parseModelConfig } from '../config.ts';
import { openModel } from '../open-model.ts';
import { ggufModelFields } from './gguf-fields.ts';
import { type GgufFileType, ggufTensors } from './gguf-tensors.ts';

interface Reference {
  metadata: Record<string, [string, unknown]>;
  tensors: Record<string, { shape: number[] } & Record<Lowercase<GgufFileType>, string>>;
}

const parity = new URL('../../../../../test/parity/', import.meta.url);
const references = JSON.parse(readFileSync(new URL('gguf/models.json', parity), 'utf8')) as Record<
  string,
  Reference
>;

/** Where llama.cpp's converter is not followed, with what is written instead. */
const OTHERWISE: Record<string, Record<string, unknown>> = {
  // It writes the hidden size, a default epsilon, and a rope of the wrong width where heads have a size of their own.
  glm: {
    'chatglm.context_length': 64,
    'chatglm.attention.layer_norm_rms_epsilon': Math.fround(1.5625e-7),
    'chatglm.rope.dimension_count': 4,
    'chatglm.attention.key_length': 8,
    'chatglm.attention.value_length': 8,
  },
  // It leaves out mscale, which llama.cpp can apply.
  'llama-yarn-mscale-rope': { 'llama.rope.scaling.attn_factor': Math.fround(0.935178) },
  // Its second layer of three sees all tokens, which is not llama.cpp's rule.
  gemma3: { 'gemma3.attention.sliding_window_pattern': [true, false, true] },
};

async function openFixture(name: string): Promise<{ config: ModelConfig; weights: WeightSource }> {
  const folder = fileURLToPath(new URL(`models/${name.replace('-every-layer', '')}`, parity));
  const { config, weights } = await openModel(folder, { env: {}, offline: true } as never);
  if (name !== 'qwen3-moe-every-layer') return { config, weights };
  // Without its dense layer, as generate.py does it.
  const raw = { ...config.raw, num_hidden_layers: 2, mlp_only_layers: [] };
  return {
    config: parseModelConfig(raw, 'config.json'),
    weights: { ...weights, read: (tensor) => weights.read(tensor.replace('layers.1.', 'layers.2.')) },
  };
}

const plain = (fields: GgufFields) =>
  Object.fromEntries(
    [...fields].map(([key, field]) => [
      key,
      field.type === 'array'
        ? [...(field.value as unknown[])]
        : field.type === 'float32'
          ? Math.fround(field.value as number)
          : field.value,
    ]),
  );

test.each(Object.keys(references))('%s', async (name) => {
  const { metadata, tensors } = references[name];
  const { config, weights } = await openFixture(name);
  for (const type of ['F32', 'F16', 'BF16', 'Q8_0'] as const) {
    const { 'general.file_type': _, ...fields } = plain(ggufModelFields(config, type));
    const expected = Object.fromEntries(Object.entries(metadata).map(([key, [, value]]) => [key, value]));
    const close = { ...expected, ...OTHERWISE[name] };
    expect(Object.keys(fields).sort()).toEqual(Object.keys(close).sort());
    for (const [key, value] of Object.entries(close))
      if (key.endsWith('attn_factor')) expect(fields[key]).toBeCloseTo(value as number, 5);
      else expect(fields[key], key).toEqual(value);
    const found: Record<string, { shape: readonly number[]; bytes: string }> = {};
    for (const { name: tensor, shape, type: own, pieces } of ggufTensors(config, weights, type)) {
      const hash = createHash('sha256');
      for await (const piece of pieces()) hash.update(piece as Uint8Array);
      found[tensor] = { shape, bytes: `${own} ${hash.digest('hex').slice(0, 16)}` };
    }
    const theirs = Object.entries(tensors).map(([tensor, entry]) => [
      tensor,
      { shape: entry.shape, bytes: entry[type.toLowerCase() as Lowercase<GgufFileType>] },
    ]);
    expect(found).toEqual(Object.fromEntries(theirs));
  }
  await weights.close();
});
