import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assetPath } from '../../../../test/assets.ts';
import { openModel } from './open-model.ts';

const stories = assetPath('models/stories260K-hf');
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'open-model-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe.skipIf(!stories)('openModel on a real folder', () => {
  it('gives its config, weights and generation config', async () => {
    const model = await openModel(stories!, { cacheDir: dir });
    expect(model.config).toMatchObject({ architecture: 'llama', layers: 5 });
    expect(model.generationConfig.eos_token_id).toBe(2);
    expect(model.weights.tensors.size).toBe(47);
    expect(model.notes).toEqual([]);
    const norm = await model.weights.read('model.norm.weight');
    expect(norm.shape).toEqual([64]);
    expect(norm.data.every(Number.isFinite)).toBe(true);
    await model.weights.close();
  });

  it('refuses weights that do not belong to the config, before reading any', async () => {
    const copy = join(dir, 'copy');
    await cp(stories!, copy, { recursive: true });
    const config = {
      model_type: 'llama',
      vocab_size: 512,
      hidden_size: 64,
      intermediate_size: 172,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      tie_word_embeddings: true,
    };
    await writeFile(join(copy, 'config.json'), JSON.stringify(config));
    expect(await openModel(copy, { cacheDir: dir }).catch((e) => e)).toMatchObject({
      code: 'MODEL_MISSING_TENSOR',
      message: expect.stringContaining('model.layers.5.input_layernorm.weight'),
    });
  });
});
