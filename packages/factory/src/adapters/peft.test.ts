import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { encodeSafetensors, type SafetensorsTensor } from '#factory/store/safetensors-format.ts';
import { assetPath } from '../../../../test/assets.ts';
import { checkAdapterFits, readPeftAdapter, writePeftAdapter } from './peft.ts';

let root: string;
let counter = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'peft-'));
});
afterAll(() => rm(root, { recursive: true }));
const folder = () => join(root, `${counter++}`);

function pair(module: string, rank = 2): LoraPair {
  const a = Float32Array.from({ length: rank * 4 }, (_, i) => i / 8);
  const b = Float32Array.from({ length: 6 * rank }, (_, i) => -i / 4);
  return { module, rank, inFeatures: 4, outFeatures: 6, a, b };
}

function adapter(pairs: LoraPair[]): LoraAdapter {
  return {
    rank: 2,
    alpha: 4,
    dropout: 0.1,
    useRslora: false,
    targetModules: ['q_proj', 'v_proj'],
    baseModel: 'base',
    pairs,
  };
}

const PAIRS = [0, 1].flatMap((i) =>
  ['q_proj', 'v_proj'].map((name) => pair(`model.layers.${i}.self_attn.${name}`)),
);

/** A folder as some PEFT version might have left it. */
async function peftFolder(
  config: object,
  tensors: (SafetensorsTensor | [string, number[]])[],
): Promise<string> {
  const dir = folder();
  await mkdir(dir);
  const made = tensors.map((t) =>
    Array.isArray(t)
      ? {
          name: t[0],
          dtype: 'F32' as const,
          shape: t[1],
          data: new Float32Array(t[1].reduce((n, s) => n * s, 1)).fill(1),
        }
      : t,
  );
  await writeAtomic(join(dir, 'adapter_model.safetensors'), encodeSafetensors(made));
  await writeFile(
    join(dir, 'adapter_config.json'),
    JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...config }),
  );
  return dir;
}

const Q = 'base_model.model.model.layers.0.self_attn.q_proj';
const GOOD: [string, number[]][] = [
  [`${Q}.lora_A.weight`, [2, 4]],
  [`${Q}.lora_B.weight`, [6, 2]],
];

async function failure(work: Promise<unknown>): Promise<FactoryError> {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (e) => e,
  );
  expect(error).toBeInstanceOf(FactoryError);
  expect(error.remedy).not.toBe('');
  return error;
}

describe('a PEFT folder', () => {
  it('comes back as it was written, with equal bytes each time', async () => {
    const [one, two] = [folder(), folder()];
    const made = adapter(PAIRS);
    await writePeftAdapter(one, made, { baseModel: 'org/model', revision: 'main' });
    await writePeftAdapter(
      two,
      { ...made, pairs: [...PAIRS].reverse() },
      { baseModel: 'org/model', revision: 'main' },
    );
    const read = await readPeftAdapter(one);
    expect(read).toEqual({ ...made, baseModel: 'org/model' });
    for (const file of ['adapter_model.safetensors', 'adapter_config.json']) {
      expect(await readFile(join(two, file))).toEqual(await readFile(join(one, file)));
    }
  });

  it('names modules by their last part where all layers have them, by full path otherwise', async () => {
    const targets = async (made: LoraAdapter) => {
      const dir = folder();
      await writePeftAdapter(dir, made);
      return JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8'));
    };
    expect((await targets(adapter(PAIRS))).target_modules).toEqual(['q_proj', 'v_proj']);
    const some = PAIRS.slice(2);
    expect((await targets(adapter(some))).target_modules).toEqual(some.map((p) => p.module));
    const ragged = await targets(adapter([PAIRS[0], pair('model.layers.1.self_attn.q_proj', 3)]));
    expect(ragged.rank_pattern).toEqual({ 'model.layers.1.self_attn.q_proj': 3 });
  });

  for (const name of ['lora_qv_r8_after20', 'lora_all_r4_after20']) {
    const dir = assetPath(`vectors/stories260K_hf_reference/${name}`);
    it.skipIf(!dir)(`${name}: PEFT's own folder is read, and written back byte for byte`, async () => {
      const read = await readPeftAdapter(dir!);
      const theirs = JSON.parse(await readFile(join(dir!, 'adapter_config.json'), 'utf8'));
      expect(read).toMatchObject({
        rank: theirs.r,
        alpha: theirs.lora_alpha,
        targetModules: [...theirs.target_modules].sort(),
      });
      expect(read.pairs).toHaveLength(5 * theirs.target_modules.length);
      const out = folder();
      await writePeftAdapter(out, read);
      expect(await readFile(join(out, 'adapter_model.safetensors'))).toEqual(
        await readFile(join(dir!, 'adapter_model.safetensors')),
      );
      const ours = JSON.parse(await readFile(join(out, 'adapter_config.json'), 'utf8'));
      for (const [key, value] of Object.entries(ours)) {
        if (key === 'target_modules') expect(value).toEqual([...theirs.target_modules].sort());
        else if (key !== 'peft_version') expect([key, value]).toEqual([key, theirs[key]]);
      }
      expect(Object.keys(ours)).toEqual(Object.keys(ours).sort());
    });
  }

  it('is read in old spellings, with few keys and in 16 bits', async () => {
    const bf16 = (shape: number[]) => new Uint16Array(shape[0] * shape[1]).fill(0xbf80);
    const dir = await peftFolder(
      {
        r: undefined,
        lora_alpha: undefined,
        target_modules: '.*q_proj',
        enable_lora: null,
        merge_weights: false,
      },
      [
        { name: `${Q}.lora_A.default.weight`, dtype: 'BF16', shape: [8, 4], data: bf16([8, 4]) },
        {
          name: `${Q}.lora_B.default.weight`,
          dtype: 'F16',
          shape: [6, 8],
          data: new Uint16Array(48).fill(0x3800),
        },
      ],
    );
    const read = await readPeftAdapter(dir);
    expect(read).toMatchObject({
      rank: 8,
      alpha: 8,
      dropout: 0,
      useRslora: false,
      targetModules: ['q_proj'],
      baseModel: '',
    });
    expect(read.pairs[0].a).toEqual(new Float32Array(32).fill(-1));
    expect(read.pairs[0].b).toEqual(new Float32Array(48).fill(0.5));
  });

  it('takes the rank from the tensors and folds an alpha of its own into B', async () => {
    const dir = await peftFolder({ r: 8, rank_pattern: { q_proj: 2 }, alpha_pattern: { q_proj: 16 } }, GOOD);
    const read = await readPeftAdapter(dir);
    expect(read).toMatchObject({ rank: 8, alpha: 4 });
    expect(read.pairs[0]).toMatchObject({ rank: 2, b: new Float32Array(12).fill(4) });
  });

  it.each<[string, object]>([
    ['fan_in_fan_out', { fan_in_fan_out: true }],
    ['bias', { bias: 'all' }],
    ['lora_bias', { lora_bias: true }],
    ['init_lora_weights', { init_lora_weights: 'olora' }],
    ['loftq_config.loftq_bits', { init_lora_weights: 'loftq', loftq_config: { loftq_bits: 8 } }],
    ['layer_replication', { layer_replication: [[0, 1]] }],
    ['alora_invocation_tokens', { alora_invocation_tokens: [1, 2] }],
    ['peft_type', { peft_type: 'IA3' }],
    ['task_type', { task_type: 'SEQ_CLS' }],
    ['trainable_token_indices', { trainable_token_indices: [1] }],
    ['alpha_pattern', { alpha_pattern: { '(a+)+$': 3 } }],
    ['some_new_method', { some_new_method: { a: 1 } }],
  ])('is refused by name for %s', async (key, config) => {
    const error = await failure(readPeftAdapter(await peftFolder(config, GOOD)));
    expect(error.code).toBe('ADAPTERS_UNSUPPORTED');
    expect(error.message).toContain(`adapter_config.json: ${key}: `);
  });

  it.each<[string, [string, number[]][], string, RegExp]>([
    ['one half', [GOOD[0]], 'ADAPTERS_BAD_FILE', /found only lora_A/],
    [
      'ranks that differ',
      [GOOD[0], [`${Q}.lora_B.weight`, [6, 3]]],
      'ADAPTERS_BAD_FILE',
      /found \[2,4\] and \[6,3\]/,
    ],
    [
      'an embedding adapter',
      [...GOOD, ['base_model.model.model.embed_tokens.lora_embedding_A', [2, 4]]],
      'ADAPTERS_UNSUPPORTED',
      /lora_embedding_A/,
    ],
    [
      'a DoRA vector',
      [...GOOD, [`${Q}.lora_magnitude_vector`, [6]]],
      'ADAPTERS_BAD_FILE',
      /no lora_magnitude_vector without use_dora, found \[6\]/,
    ],
    ['two of one', [...GOOD, [`${Q}.lora_A.default.weight`, [2, 4]]], 'ADAPTERS_BAD_FILE', /found two/],
    ['no tensors', [], 'ADAPTERS_BAD_FILE', /no tensors/],
  ])('is refused with %s', async (_, tensors, code, message) => {
    const error = await failure(readPeftAdapter(await peftFolder({}, tensors)));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('is refused when files are missing, damaged or pickles', async () => {
    expect(await failure(readPeftAdapter(folder()))).toMatchObject({ code: 'ADAPTERS_NOT_FOUND' });
    const dir = await peftFolder({}, GOOD);
    await rm(join(dir, 'adapter_model.safetensors'));
    expect(await failure(readPeftAdapter(dir))).toMatchObject({ code: 'ADAPTERS_NOT_FOUND' });
    await writeFile(join(dir, 'adapter_model.bin'), 'x');
    expect((await failure(readPeftAdapter(dir))).message).toMatch(/pickle/);
    await writeFile(join(dir, 'adapter_model.safetensors'), 'not a tensor file');
    expect(await failure(readPeftAdapter(dir))).toMatchObject({ code: 'ADAPTERS_BAD_FILE' });
    await writeFile(join(dir, 'adapter_config.json'), '{"r": "8", "peft_type": "LORA"}');
    expect((await failure(readPeftAdapter(dir))).message).toMatch(
      /r: expected a number from 1 to \d+, found "8"/,
    );
  });

  it('answers any config with an adapter or a typed error', async () => {
    const dir = await peftFolder({}, GOOD);
    const key = fc.constantFrom(
      'r',
      'lora_alpha',
      'lora_dropout',
      'use_rslora',
      'bias',
      'alpha_pattern',
      'rank_pattern',
      'target_modules',
      'peft_type',
      'init_lora_weights',
      'base_model_name_or_path',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, fc.jsonValue()), async (extra) => {
        await writeFile(join(dir, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', ...extra }));
        try {
          const read = await readPeftAdapter(dir);
          expect(read.pairs).toHaveLength(1);
          expect(Number.isFinite(read.alpha) && Number.isInteger(read.rank)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(FactoryError);
          expect((error as FactoryError).remedy).not.toBe('');
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a DoRA adapter', () => {
  it.each(['', '.weight', '.default.weight'])('is read with the vector named %j', async (suffix) => {
    const tensors: [string, number[]][] = [...GOOD, [`${Q}.lora_magnitude_vector${suffix}`, [6]]];
    const read = await readPeftAdapter(await peftFolder({ use_dora: true }, tensors));
    expect(read).toMatchObject({ useDora: true, pairs: [{ magnitude: new Float32Array(6).fill(1) }] });
  });

  it.each<[string, [string, number[]][]]>([
    ['none', GOOD],
    ['[5]', [...GOOD, [`${Q}.lora_magnitude_vector`, [5]]]],
  ])('is refused with %s for its vector', async (found, tensors) => {
    const error = await failure(readPeftAdapter(await peftFolder({ use_dora: true }, tensors)));
    expect([error.code, error.message]).toEqual([
      'ADAPTERS_BAD_FILE',
      expect.stringContaining(`found ${found}`),
    ]);
  });
});

describe('modules saved whole', () => {
  const config = { modules_to_save: ['embed_tokens', 'norm'] };
  const whole: [string, number[]][] = [
    ['base_model.model.model.embed_tokens.weight', [10, 4]],
    ['base_model.model.model.norm.weight', [4]],
  ];

  it('are read by their names in the base, old names too', async () => {
    const read = await readPeftAdapter(await peftFolder(config, [...GOOD, ...whole]));
    expect(read.pairs).toHaveLength(1);
    expect(read.modulesToSave).toEqual(config.modules_to_save);
    expect(read.whole?.map(({ name, shape }) => [name, shape])).toEqual([
      ['model.embed_tokens.weight', [10, 4]],
      ['model.norm.weight', [4]],
    ]);
    const old: [string, number[]] = ['base_model.model.model.norm.modules_to_save.default.weight', [4]];
    const again = await readPeftAdapter(await peftFolder({ modules_to_save: ['norm'] }, [...GOOD, old]));
    expect(again.whole?.[0].name).toBe('model.norm.weight');
  });

  it('must be there, and fit', async () => {
    const error = await failure(readPeftAdapter(await peftFolder(config, [...GOOD, whole[0]])));
    expect([error.code, error.message]).toEqual([
      'ADAPTERS_BAD_FILE',
      expect.stringContaining('tensors of norm'),
    ]);
    const strange = await failure(readPeftAdapter(await peftFolder({}, [...GOOD, whole[0]])));
    expect(strange.code).toBe('ADAPTERS_UNSUPPORTED');
    const read = await readPeftAdapter(await peftFolder(config, [...GOOD, ...whole]));
    const base = new Map([
      ['model.layers.0.self_attn.q_proj.weight', [6, 4]],
      ['model.embed_tokens.weight', [10, 4]],
      ['model.norm.weight', [4]],
    ]);
    expect(() => checkAdapterFits(read, base)).not.toThrow();
    base.set('model.embed_tokens.weight', [11, 4]);
    expect(() => checkAdapterFits(read, base)).toThrow(
      /embed_tokens\.weight: expected shape \[11,4\].*found \[10,4\]/,
    );
  });

  it.each([[5], ['x'], [[1]]])('are refused when the configuration names them as %j', async (names) => {
    const error = await failure(readPeftAdapter(await peftFolder({ modules_to_save: names }, GOOD)));
    expect(error.code).toMatch(/ADAPTERS_BAD/);
  });
});

describe('checkAdapterFits', () => {
  it('names the tensor that the base model lacks or has in another size', () => {
    const made = adapter([PAIRS[0]]);
    const name = `${PAIRS[0].module}.weight`;
    expect(() => checkAdapterFits(made, new Map([[name, [6, 4]]]))).not.toThrow();
    expect(() => checkAdapterFits(made, new Map([[name, [8, 4]]]))).toThrow(
      /q_proj\.weight is \[8,4\]; found \[2,4\] and \[6,2\]/,
    );
    expect(() => checkAdapterFits(made, new Map())).toThrow(
      /expected a linear layer model\.layers\.0\.self_attn\.q_proj/,
    );
  });
});
