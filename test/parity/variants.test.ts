// DoRA and modules saved whole agree with peft: logits, losses, gradients and training; adapters go in and out unchanged.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeSchedule } from '@tunesmith/engine';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { loraScale, mergeIntoWeights } from '../../packages/factory/src/adapters/merge.ts';
import { readPeftAdapter, writePeftAdapter } from '../../packages/factory/src/adapters/peft.ts';
import { parseTrainArgs } from '../../packages/factory/src/arguments/parse.ts';
import { greedy } from '../../packages/factory/src/model/fixtures/greedy.ts';
import { generateTokens } from '../../packages/factory/src/model/generate.ts';
import { openModel } from '../../packages/factory/src/model/open-model.ts';
import { modelFiles, pissaFolders } from '../../packages/factory/src/pipeline/checkpoint-files.ts';
import type { Base } from '../../packages/factory/src/pipeline/open-base.ts';
import { openDecoder } from '../../packages/factory/src/pipeline/open-decoder.ts';
import type { LoraAdapter } from '../../packages/factory/src/records/adapter.ts';
import { writeAtomic } from '../../packages/factory/src/store/atomic-file.ts';
import { allLogits, apart, gradientsOf, tokenLosses, trainCurve, worstApart } from './measure.ts';
import { type Curve, examplesOf, modelDir, readReference, readTensors } from './read-fixture.ts';

const FOLDER = fileURLToPath(new URL('./variants/', import.meta.url));
const EXACT = 2e-5;

interface Facts {
  model: string;
  loss: number;
  nll: number[][];
  last_logits: number[][];
  curve: Curve;
}

const temporary = mkdtempSync(join(tmpdir(), 'variants-'));
afterAll(() => rmSync(temporary, { recursive: true }));

const factsOf = (name: string) => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Facts;

/** The decoder that `tunesmith train` would run with these words; closed after the test. */
async function opened(model: string, words: string[], use: 'train' | 'infer' = 'train') {
  const dir = modelDir(model);
  const { args } = parseTrainArgs(
    ['--model_name_or_path', dir, '--do_train', '--dataset', 'd', '--template', 'default', ...words],
    { readFile: (path) => readFileSync(path, 'utf8') },
  );
  const base = await openModel(dir, { cacheDir: join(dir, 'no-cache'), offline: true });
  onTestFinished(() => base.weights.close());
  const one = await openDecoder(args, base as unknown as Base, use, () => {});
  onTestFinished(() => one.decoder.backend.dispose());
  return { args, ...one };
}

const settings = (curve: Curve) => ({
  steps: curve.grad_norm.length,
  learningRate: makeSchedule({
    kind: 'linear',
    learningRate: 1e-3,
    warmupSteps: 0,
    totalSteps: curve.grad_norm.length,
  }),
  weightDecay: 0.01,
  sparesNorms: true,
  maxGradNorm: 1,
});

describe.each(['dora', 'dora-rslora', 'whole', 'whole-tied'])('%s', (name) => {
  const facts = factsOf(name);
  const folder = join(FOLDER, name);
  const reference = readReference(facts.model);
  const rows = reference.batch.input_ids;
  const words = ['--adapter_name_or_path', folder];

  test('loss, logits and gradients', async () => {
    const { decoder } = await opened(facts.model, words);
    const { loss, gradients } = await gradientsOf(decoder, [examplesOf(reference)], 'save');
    expect(apart([loss], [facts.loss])).toBeLessThan(EXACT);
    const theirs = readTensors(join(FOLDER, `${name}-grads.safetensors`));
    const named = new Map([...theirs].map(([key, { data }]) => [key.replace('base_model.model.', ''), data]));
    expect([...gradients.keys()].sort()).toEqual([...named.keys()].sort());
    for (const [key, data] of named) expect(apart(gradients.get(key) ?? [], data), key).toBeLessThan(EXACT);
    const again = await gradientsOf(decoder, [examplesOf(reference)], 'recompute');
    expect(again.loss).toBe(loss);
    for (const [key, data] of again.gradients)
      expect(apart(data, gradients.get(key) ?? []), key).toBeLessThan(1e-6);
    const logits = await allLogits(decoder, rows);
    const nll = await tokenLosses(decoder, rows);
    rows.forEach((_, r) => {
      expect(apart(logits[r].at(-1) ?? [], facts.last_logits[r])).toBeLessThan(EXACT);
      expect(worstApart(nll[r], facts.nll[r])).toBeLessThan(EXACT);
    });
  });

  test('20 steps follow the same curve', async () => {
    const { decoder } = await opened(facts.model, words);
    const curve = await trainCurve(decoder, examplesOf(reference), settings(facts.curve));
    expect(worstApart(curve.loss, facts.curve.loss), 'losses').toBeLessThan(EXACT);
    expect(worstApart(curve.gradNorm, facts.curve.grad_norm), 'norms').toBeLessThan(EXACT);
    const spared = decoder.parameters.filter((p) => !p.decay).map((p) => p.name);
    const theirs = facts.curve.no_decay.map((key) =>
      key
        .replace('base_model.model.', '')
        .replace('.modules_to_save.default', '')
        .replace('.modules_to_save', ''),
    );
    expect(spared.sort()).toEqual(theirs.sort());
  });

  test('merged into the base, it computes the same', async () => {
    const { decoder } = await opened(facts.model, [
      ...words,
      '--create_new_adapter',
      '--lora_target',
      'q_proj',
    ]);
    const nll = await tokenLosses(decoder, rows);
    rows.forEach((_, r) => {
      expect(worstApart(nll[r], facts.nll[r])).toBeLessThan(EXACT);
    });
  });

  test('answers over the cache are those of the whole sequence', async () => {
    const { decoder } = await opened(facts.model, words, 'infer');
    expect(decoder.parameters.every((p) => p.name.includes('.lora_'))).toBe(true);
    const prompt = rows[0].slice(0, 5);
    const [{ ids }] = await generateTokens(decoder, [prompt], greedy(4));
    const logits = await allLogits(decoder, [[...prompt, ...ids]]);
    ids.forEach((id, i) => {
      const row = logits[0][prompt.length - 1 + i];
      expect(row.indexOf(Math.max(...row))).toBe(id);
    });
  });

  test('is saved as it was read, with the names and the configuration of peft', async () => {
    const one = await opened(facts.model, words);
    const files = modelFiles(one, one.args);
    const theirs = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    const ours = JSON.parse(files['adapter_config.json'] as string);
    for (const key of ['use_dora', 'use_rslora', 'modules_to_save', 'r', 'lora_alpha'])
      expect(ours[key], key).toEqual(theirs[key]);
    const out = join(temporary, name);
    await writePeftAdapter(out, await readPeftAdapter(folder));
    for (const [key, content] of Object.entries(files)) await writeAtomic(join(out, key), content);
    const written = readTensors(join(out, 'adapter_model.safetensors'));
    const read = readTensors(join(folder, 'adapter_model.safetensors'));
    expect([...written.keys()].sort()).toEqual([...read.keys()].sort());
    for (const [key, tensor] of read) expect(written.get(key), key).toEqual(tensor);
  });
});

test('a new DoRA adapter changes nothing, whatever the base rests in', async () => {
  const rows = readReference('llama').batch.input_ids;
  for (const more of [['--fp16'], ['--quantization_bit', '4'], ['--stream_base']]) {
    const plain = await opened('llama', ['--lora_target', 'v_proj,down_proj', ...more]);
    const dora = await opened('llama', ['--lora_target', 'v_proj,down_proj', '--use_dora', ...more]);
    const expected = await tokenLosses(plain.decoder, rows);
    (await tokenLosses(dora.decoder, rows)).forEach((row, r) => {
      expect(worstApart(row, expected[r]), more.join(' ')).toBeLessThan(2e-6);
    });
    const examples = examplesOf(readReference('llama'));
    const { gradients } = await gradientsOf(dora.decoder, [examples], 'save');
    for (const [key, gradient] of gradients)
      if (key.endsWith('magnitude_vector'))
        expect(
          gradient.some((v) => v !== 0),
          key,
        ).toBe(true);
  }
});

/** s B A of every pair, which has no signs to choose. */
const productsOf = ({ pairs, ...adapter }: LoraAdapter) =>
  new Map(
    pairs.map((pair) => {
      const zero = new Float32Array(pair.inFeatures * pair.outFeatures);
      return [pair.module, mergeIntoWeights(pair.module, zero, pair, loraScale(adapter, pair))];
    }),
  );

describe('pissa', () => {
  const facts = factsOf('pissa');
  const reference = readReference(facts.model);
  const examples = examplesOf(reference);
  const words = [
    '--pissa_init',
    '--pissa_iter',
    '-1',
    '--lora_rank',
    '3',
    '--lora_alpha',
    '6',
    '--lora_target',
    'all',
  ];

  test('begins with the pairs of peft, computes what the base computes, and trains along the same curve', async () => {
    const one = await opened(facts.model, words);
    const { decoder } = one;
    const theirs = await readPeftAdapter(join(FOLDER, 'pissa-initial'));
    const pairs = theirs.pairs.map((pair) => ({ ...pair, ...one.initial.get(pair.module) }));
    const products = productsOf({ ...theirs, pairs });
    for (const [module, product] of productsOf(theirs))
      expect(apart(products.get(module) ?? [], product), module).toBeLessThan(1e-5);
    const nll = await tokenLosses(decoder, reference.batch.input_ids);
    reference.full.nll.forEach((row, r) => {
      expect(worstApart(nll[r], row)).toBeLessThan(EXACT);
    });
    const curve = await trainCurve(decoder, examples, settings(facts.curve));
    expect(worstApart(curve.loss, facts.curve.loss), 'losses').toBeLessThan(5e-5);
    expect(worstApart(curve.gradNorm, facts.curve.grad_norm), 'norms').toBeLessThan(5e-5);

    const folders = pissaFolders(one, { ...one.args, pissa_convert: true });
    const converted = productsOf(folders?.pissa_converted as LoraAdapter);
    for (const [module, product] of productsOf(await readPeftAdapter(join(FOLDER, 'pissa-converted'))))
      expect(apart(converted.get(module) ?? [], product), module).toBeLessThan(1e-3);
    expect(folders?.pissa_converted).toMatchObject({ rank: 6, alpha: 12 });
    const config = JSON.parse(modelFiles(one, one.args)['adapter_config.json'] as string);
    expect(config.init_lora_weights).toBe('pissa');
  });

  test('an adapter of peft is read against the changed base, and its conversion against the original', async () => {
    const initial = await opened(facts.model, ['--adapter_name_or_path', join(FOLDER, 'pissa')], 'infer');
    const nll = await tokenLosses(initial.decoder, reference.batch.input_ids);
    facts.nll.forEach((row, r) => {
      expect(worstApart(nll[r], row)).toBeLessThan(EXACT);
    });
    const converted = await opened(facts.model, ['--adapter_name_or_path', join(FOLDER, 'pissa-converted')]);
    const { loss } = await gradientsOf(converted.decoder, [examples], 'save');
    expect(apart([loss], [facts.curve.loss.at(-1) as number])).toBeLessThan(EXACT);
    const packed = opened(facts.model, [
      '--adapter_name_or_path',
      join(FOLDER, 'pissa'),
      '--quantization_bit',
      '4',
    ]);
    await expect(packed).rejects.toMatchObject({ code: 'ADAPTERS_UNSUPPORTED' });
  });
});

describe('loftq', () => {
  const facts = factsOf('loftq');
  const reference = readReference(facts.model);
  const examples = examplesOf(reference);
  const base = ['--quantization_bit', '4', '--double_quantization', 'false'];
  const words = [...base, '--loftq_init', '--lora_rank', '3', '--lora_alpha', '3', '--lora_target', 'all'];
  const pairsOf = ({ decoder, adapter }: Awaited<ReturnType<typeof opened>>): LoraAdapter => {
    const parameterOf = (name: string) => decoder.parameters.find((p) => p.name === name)!;
    const modules = decoder.parameters.flatMap(({ name }) => /(.*)\.lora_A/.exec(name)?.[1] ?? []);
    const pairs = modules.map((module) => {
      const [a, b] = ['A', 'B'].map((side) => parameterOf(`${module}.lora_${side}.weight`));
      const [rank, inFeatures] = a.shape;
      return { module, rank, inFeatures, outFeatures: b.shape[0], a: a.value, b: b.value };
    });
    return { ...adapter!, pairs };
  };

  test('codes and pairs are those of peft, and training follows the same curve', async () => {
    const one = await opened(facts.model, [...words, '--loftq_iter', '3']);
    const theirs = await readPeftAdapter(join(FOLDER, 'loftq'));
    const products = productsOf(pairsOf(one));
    for (const [module, product] of productsOf(theirs))
      expect(apart(products.get(module) ?? [], product), module).toBeLessThan(1e-4);
    const nll = await tokenLosses(one.decoder, reference.batch.input_ids);
    facts.nll.forEach((row, r) => {
      expect(worstApart(nll[r], row)).toBeLessThan(EXACT);
    });
    const curve = await trainCurve(one.decoder, examples, settings(facts.curve));
    expect(worstApart(curve.loss, facts.curve.loss), 'losses').toBeLessThan(1e-4);
    expect(worstApart(curve.gradNorm, facts.curve.grad_norm), 'norms').toBeLessThan(1e-4);
    const config = JSON.parse(modelFiles(one, one.args)['adapter_config.json'] as string);
    expect(config).toMatchObject({
      init_lora_weights: 'loftq',
      loftq_config: { loftq_bits: 4, loftq_iter: 3 },
    });
  });

  test('an adapter of peft is read against the codes of its own iterations', async () => {
    const adapter = ['--adapter_name_or_path', join(FOLDER, 'loftq')];
    const { decoder } = await opened(facts.model, [...base, ...adapter], 'infer');
    const nll = await tokenLosses(decoder, reference.batch.input_ids);
    facts.nll.forEach((row, r) => {
      expect(worstApart(nll[r], row)).toBeLessThan(EXACT);
    });
    await expect(opened(facts.model, adapter, 'infer')).rejects.toMatchObject({
      code: 'ADAPTERS_UNSUPPORTED',
    });
  });

  test('one iteration brings the base nearer and leaves an adapter like any other, whatever the scale', async () => {
    const farFrom = async (extra: string[]) => {
      const one = await opened(facts.model, extra);
      const nll = await tokenLosses(one.decoder, reference.batch.input_ids);
      const config = JSON.parse(modelFiles(one, one.args)['adapter_config.json'] as string);
      expect(config.init_lora_weights).toBe(true);
      return apart(nll.flat(), reference.full.nll.flat());
    };
    const plain = await farFrom([...base, '--lora_target', 'all']);
    const high = ['--quantization_bit', '4', '--loftq_init', '--lora_target', 'all', '--lora_rank', '16'];
    expect(await farFrom([...high, '--lora_alpha', '64'])).toBeLessThan(plain / 2);
  });
});
