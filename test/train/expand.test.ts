// Block expansion and neat packing through the real command line: the folder, its refusals, and training on it.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  essence,
  eventsOf,
  makeWorld,
  readJson,
  safetensorsHeader,
  tunesmith,
  type World,
} from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld('llama-sharded-bf16');
});
afterAll(() => world.dispose());

const expand = (output: string, ...more: string[]) =>
  tunesmith(['expand', '--model_name_or_path', world.model, '--output_dir', world.at(output), ...more]);

test('the expanded model has its files, computes the same, and its new blocks alone are trained', async () => {
  const layers = readJson<{ num_hidden_layers: number }>(world.model, 'config.json').num_hidden_layers;
  const run = await expand('wide', '--num_expand', `${layers}`, '--shard_size', '0.00001', '--json');
  expect([run.status, run.err]).toEqual([0, '']);
  const inserted = Array.from({ length: layers }, (_, i) => 2 * i + 1);
  expect(JSON.parse(run.out)).toMatchObject({ layers: 2 * layers, inserted, logitDifference: 0 });
  expect(readJson(world.at('wide'), 'config.json')).toMatchObject({ num_hidden_layers: 2 * layers });
  const names = readdirSync(world.at('wide'));
  expect(names).toEqual(
    expect.arrayContaining(['model.safetensors.index.json', 'tokenizer.json', 'generation_config.json']),
  );
  const shapes = safetensorsHeader(
    world.at('wide'),
    names.find((name) => /^model-00001-of/.test(name)) as string,
  );
  expect(Object.values(shapes)[0].dtype).toBe('BF16');

  const flags = {
    model_name_or_path: world.at('wide'),
    use_llama_pro: true,
    freeze_trainable_layers: layers,
  };
  const dead = await world.train('dead', flags);
  expect([dead.status, dead.err]).toEqual([
    2,
    expect.stringMatching(/error TRAIN_NOTHING_TRAINABLE: .*are zero/),
  ]);
  const trained = await world.train('pro', { ...flags, lora_target: 'all' });
  expect([trained.status, trained.status === 0 ? '' : trained.err]).toEqual([0, '']);
  expect(trained.err).not.toMatch(/look inserted/);
  const adapted = Object.keys(safetensorsHeader(world.at('pro'), 'adapter_model.safetensors'));
  expect(new Set(adapted.map((name) => Number(/layers\.(\d+)\./.exec(name)?.[1])))).toEqual(
    new Set(inserted),
  );
  expect(
    readJson<{ target_modules: string[] }>(world.at('pro'), 'adapter_config.json').target_modules,
  ).toContain('model.layers.1.self_attn.q_proj');
  const frozen = await world.train('pro-freeze', { ...flags, finetuning_type: 'freeze', max_steps: 2 });
  expect(frozen.status).toBe(0);
});

test('a base that was not expanded is trained with a note', async () => {
  const run = await world.train('plain', { use_llama_pro: true, freeze_trainable_layers: 1, max_steps: 1 }, [
    '--json',
  ]);
  expect(run.status).toBe(0);
  const notes = eventsOf(run).filter((event) => event.kind === 'note');
  expect(JSON.stringify(notes)).toMatch(/does not look inserted by block expansion/);
});

test('wrong wishes are refused, and leave no folder', async () => {
  for (const [more, code] of [
    [[], 'ARGS_MISSING'],
    [['--num_expand', '5'], 'ARGS_CONFLICT'],
    [['--num_expand', '0'], 'ARGS_BAD_VALUE'],
    [['--num_expnad', '1'], 'ARGS_UNKNOWN_KEY'],
  ] as const) {
    const run = await expand('none', ...more);
    expect([run.status, run.err]).toEqual([2, expect.stringContaining(`error ${code}`)]);
  }
  expect(existsSync(world.at('none'))).toBe(false);
  mkdirSync(world.at('full'));
  writeFileSync(world.at('full', 'x'), '');
  expect((await expand('full', '--num_expand', '1')).err).toMatch(/error TRAIN_OUTPUT_EXISTS: .* it has x/);
  expect(readdirSync(world.dir).filter((name) => name.includes('.tmp-'))).toEqual([]);
});

test('neat packing trains, and goes on from cached tokens to the same bytes', async () => {
  const flags = {
    neat_packing: true,
    cutoff_len: 160,
    tokenized_path: world.at('tokens'),
    max_steps: 4,
    save_steps: 2,
  };
  const whole = await world.train('neat', flags);
  expect([whole.status, whole.status === 0 ? '' : whole.err]).toEqual([0, '']);
  const rest = await world.train('neat-rest', {
    ...flags,
    resume_from_checkpoint: world.at('neat', 'checkpoint-2'),
  });
  expect([rest.status, rest.status === 0 ? '' : rest.err]).toEqual([0, '']);
  expect(rest.err).toMatch(/taken from the cache/);
  expect(essence(world.at('neat-rest')).weights).toEqual(essence(world.at('neat')).weights);
});
