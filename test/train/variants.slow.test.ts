// LoRA variants through the real command line: the loss falls, a stopped run ends in the same bytes, and what is saved is
// read again by the command that answers.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  essence,
  type Flags,
  makeWorld,
  readJson,
  safetensorsHeader,
  tunesmith,
  type World,
} from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld('llama-tied');
});
afterAll(() => world.dispose());

const CASES: [string, Flags, (names: string[]) => void][] = [
  [
    'dora',
    { use_dora: true, lora_dropout: 0.1 },
    (names) =>
      expect(names.filter((n) => n.endsWith('q_proj.lora_magnitude_vector')).length).toBeGreaterThan(0),
  ],
  [
    'whole',
    { additional_target: 'embed_tokens,model.norm' },
    (names) => {
      expect(names).toContain('base_model.model.model.embed_tokens.weight');
      expect(names).toContain('base_model.model.model.norm.weight');
    },
  ],
  [
    'pissa',
    { pissa_init: true, pissa_convert: true, learning_rate: 0.002 },
    () => {
      for (const [folder, init, rank] of [
        ['', 'pissa_niter_16', 2],
        ['pissa_init', true, 2],
        ['pissa_backup', true, 2],
        ['pissa_converted', true, 4],
      ] as const)
        expect(readJson(world.at('pissa', folder), 'adapter_config.json')).toMatchObject({
          init_lora_weights: init,
          r: rank,
        });
    },
  ],
];

test.each(CASES)('%s', async (name, flags, check) => {
  const whole = await world.train(name, flags);
  expect([whole.status, whole.status === 0 ? '' : whole.err]).toEqual([0, '']);
  const { log_history: history } = readJson<{ log_history: { loss: number }[] }>(
    world.at(name),
    'trainer_state.json',
  );
  expect(history.at(-1)?.loss).toBeLessThan(history[0].loss);
  check(Object.keys(safetensorsHeader(world.at(name), 'adapter_model.safetensors')));

  const rest = await world.train(`${name}-rest`, {
    ...flags,
    resume_from_checkpoint: world.at(name, 'checkpoint-8'),
  });
  expect([rest.status, rest.status === 0 ? '' : rest.err]).toEqual([0, '']);
  expect(essence(world.at(`${name}-rest`)).weights).toEqual(essence(world.at(name)).weights);

  const words = ['--model_name_or_path', world.model, '--template', 'default', '--prompt', 'Say cat?'];
  const answer = ['generate', ...words, '--do_sample', 'false', '--max_new_tokens', '4', '--json'];
  const [plain, tuned] = [
    await tunesmith(answer),
    await tunesmith([...answer, '--adapter_name_or_path', world.at(name)]),
  ];
  expect([plain.status, tuned.status]).toEqual([0, 0]);
  expect(JSON.parse(tuned.out).text).not.toBe(JSON.parse(plain.out).text);
});
