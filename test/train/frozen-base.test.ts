// The command with a base that is quantised or streamed: it trains, goes on in the same bits, and answers.
import { cpSync, existsSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assetPath } from '../assets.ts';
import {
  checkpoints,
  type Ended,
  essence,
  type Flags,
  makeWorld,
  tunesmith,
  type World,
} from './tiny-world.ts';

const RUN: Flags = { lora_target: 'all', lora_dropout: 0.2, num_train_epochs: 1, save_steps: 2 };

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

const ok = (run: Ended) => expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);

test('QLoRA in 4 bits trains, resumes in the same bits, and answers with its adapter', async () => {
  const flags: Flags = { ...RUN, quantization_bit: 4 };
  const whole = await world.train('whole', flags);
  ok(whole);
  expect(`${whole.out}${whole.err}`).toMatch(/matrices rest in 4 bits/);
  cpSync(world.at('whole'), world.at('cut'), { recursive: true });
  for (const name of checkpoints(world.at('cut')))
    if (name !== 'checkpoint-2') rmSync(world.at('cut', name), { recursive: true });
  for (const name of ['adapter_model.safetensors', 'adapter_config.json', 'trainer_state.json', 'README.md'])
    rmSync(world.at('cut', name));
  ok(await world.train('cut', flags));
  expect(essence(world.at('cut'))).toEqual(essence(world.at('whole')));

  const model = ['--model_name_or_path', world.model, '--template', 'default', '--quantization_bit', '4'];
  const words = [
    'generate',
    ...model,
    '--do_sample',
    'false',
    '--max_new_tokens',
    '12',
    '--prompt',
    'Say cat',
  ];
  const plain = await tunesmith(words);
  const tuned = await tunesmith([...words, '--adapter_name_or_path', world.at('whole')]);
  ok(plain);
  ok(tuned);
  expect(tuned.out).not.toBe(plain.out);
});

test('a streamed base ends in the bits of a resident one', async () => {
  ok(await world.train('resident', RUN));
  ok(await world.train('streamed', { ...RUN, stream_base: true }));
  expect(essence(world.at('streamed')).weights).toEqual(essence(world.at('resident')).weights);
});

const gguf = assetPath('models/stories260K-f32.gguf');
test.skipIf(!gguf)('an adapter on a GGUF file trains and answers', async () => {
  const run = await world.train('gguf', {
    ...RUN,
    model_name_or_path: gguf!,
    num_train_epochs: 1,
    cutoff_len: 64,
  });
  ok(run);
  expect(existsSync(world.at('gguf', 'tokenizer.json'))).toBe(true);
  const words = ['generate', '--model_name_or_path', gguf!, '--do_sample', 'false', '--max_new_tokens', '12'];
  const plain = await tunesmith([...words, '--raw', '--prompt', 'Once upon a time']);
  ok(plain);
  expect(plain.out).toMatch(/^,? ?there was a little girl/);
  const tuned = await tunesmith([
    ...words,
    '--raw',
    '--prompt',
    'Once upon a time',
    '--adapter_name_or_path',
    world.at('gguf'),
  ]);
  ok(tuned);
});
