// On a tiny decoder every optimiser lowers the loss, and a run that was stopped ends with the same bits.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { type TinyOptions, tinyConfig, tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import { makeParameter } from '#factory/model/parameter.ts';
import { PLAIN_OPTIMIZER } from './fixtures/optimizer-args.ts';
import { makeOptimizer, type OptimizerArgs, optimizerBytes } from './optimizer.ts';
import { trainStep } from './train-step.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const rows = tinyRows([6, 9, 4, 7], 'optimiser');
const LORA: TinyOptions = { lora: { targets: ['all'], dropout: 0 } };
const FULL: TinyOptions = { trained: 'all' };
const STEPS = 12;

async function begin(options: TinyOptions, args: OptimizerArgs) {
  const decoder = await tinyDecoder(backend, options);
  const optimizer = makeOptimizer(decoder, args);
  const losses: number[] = [];
  return {
    decoder,
    optimizer,
    losses,
    /** Steps `from` + 1 … `to`. */
    async run(from: number, to: number) {
      for (let step = from; step < to; step++) {
        const dropoutKey = `${step}`;
        const micro = [[rows[step % 2]], [rows[2 + (step % 2)]]];
        losses.push((await trainStep(decoder, micro, { residualBytes: 2 ** 40, dropoutKey })).loss);
        await optimizer.step({ learningRate: args.learning_rate, step: step + 1, gradScale: 1 });
      }
    },
  };
}

const CASES: [string, TinyOptions, Partial<OptimizerArgs>][] = [
  ['adamw_torch', LORA, {}],
  ['adafactor', LORA, { optim: 'adafactor' }],
  ['adafactor on all parameters', FULL, { optim: 'adafactor', learning_rate: 0.01 }],
  ['sgd with momentum', LORA, { optim: 'sgd', optim_args: 'momentum=0.9', learning_rate: 0.05 }],
  ['adagrad', LORA, { optim: 'adagrad', learning_rate: 0.05 }],
  ['rmsprop', LORA, { optim: 'rmsprop', learning_rate: 0.01 }],
  ['lion_32bit', LORA, { optim: 'lion_32bit', adam_beta2: 0.99, learning_rate: 0.01 }],
  ['GaLore', FULL, { use_galore: true, galore_rank: 4, galore_update_interval: 6, learning_rate: 0.005 }],
  ['APOLLO', FULL, { use_apollo: true, apollo_rank: 2, apollo_update_interval: 6, learning_rate: 0.005 }],
  ['BAdam', FULL, { use_badam: true, badam_switch_interval: 3, badam_switch_mode: 'random' }],
  ['BAdam of SGD', FULL, { use_badam: true, badam_switch_interval: 4, optim: 'sgd', learning_rate: 0.1 }],
  ['Adam-mini', FULL, { use_adam_mini: true, learning_rate: 0.01 }],
  ['Muon', FULL, { use_muon: true, learning_rate: 0.02 }],
  ['Muon on an adapter', LORA, { use_muon: true, learning_rate: 0.05 }],
  ['LoRA+', LORA, { loraplus_lr_ratio: 4, learning_rate: 0.005 }],
];

describe.each(CASES)('%s', (_, decoder, change) => {
  const args = { ...PLAIN_OPTIMIZER, weight_decay: 0.01, ...change };

  test('lowers the loss, and goes on from a stop with the same bits', async () => {
    const whole = await begin(decoder, args);
    await whole.run(0, STEPS);
    const mean = (from: number) => whole.losses.slice(from, from + 4).reduce((a, b) => a + b, 0) / 4;
    expect(mean(STEPS - 4)).toBeLessThan(0.8 * mean(0));

    const first = await begin(decoder, args);
    await first.run(0, 5);
    const second = await begin(decoder, args);
    second.optimizer.reset(5);
    second.decoder.parameters.forEach(({ value }, i) => {
      value.set(first.decoder.parameters[i].value);
      for (const [key, { data }] of Object.entries(second.optimizer.states[i]))
        data.set(first.optimizer.states[i][key].data);
    });
    await second.run(5, STEPS);
    expect(second.decoder.parameters.map((p) => p.value)).toEqual(
      whole.decoder.parameters.map((p) => p.value),
    );
  });
});

test('LoRA+ has the groups of LLaMA-Factory', async () => {
  const named = (name: string, shape: number[]) => {
    const parameter = makeParameter(name, shape, new Float32Array(shape.reduce((a, b) => a * b)).fill(1));
    parameter.gradient.fill(1);
    return parameter;
  };
  const parameters = [
    named('q_proj.lora_A.weight', [2, 3]),
    named('q_proj.lora_B.weight', [3, 2]),
    named('q_proj.lora_magnitude_vector', [3]),
    named('embed_tokens.lora_embedding_B', [3, 2]),
  ];
  // Without momentum a step is the learning rate times the gradient.
  const args = { ...PLAIN_OPTIMIZER, optim: 'sgd', learning_rate: 2 ** -6, loraplus_lr_ratio: 8 } as const;
  const optimizer = makeOptimizer(
    { parameters, backend, config: tinyConfig() },
    { ...args, loraplus_lr_embedding: 2 ** -10 },
  );
  // Half of the peak, as a schedule would have it.
  await optimizer.step({ learningRate: 2 ** -7, step: 1, gradScale: 1 });
  expect(parameters.map(({ value }) => 1 - value[0])).toEqual([2 ** -7, 2 ** -4, 2 ** -4, 2 ** -11]);
});

test('AdamW in 8 bits keeps small parameters and embeddings in 32', async () => {
  const parameters = [
    makeParameter('q_proj.lora_A.weight', [8, 511], new Float32Array(4088)),
    makeParameter('q_proj.lora_B.weight', [9, 512], new Float32Array(4608)),
    makeParameter('model.embed_tokens.weight', [9, 512], new Float32Array(4608)),
  ];
  const model = { parameters, backend, config: tinyConfig() };
  const args = { ...PLAIN_OPTIMIZER, optim: 'adamw_8bit' } as const;
  const { states } = makeOptimizer(model, args);
  const bytes = states.map((state) => Object.values(state).reduce((n, { data }) => n + data.byteLength, 0));
  expect(bytes).toEqual([8 * 4088, 2 * 4608 + 2 * 4 * 18, 8 * 4608]);
  expect(optimizerBytes(model, args)).toBe(bytes.reduce((a, b) => a + b));
});

test('BAdam trains one layer at a time, and never what is outside the layers', async () => {
  const args = { ...PLAIN_OPTIMIZER, use_badam: true, badam_switch_interval: 2, badam_start_block: 1 };
  const { decoder, optimizer, run } = await begin(FULL, args);
  // The first turn is one step shorter than the others.
  for (const [step, layer] of [1, 0, 0, 1, 1].entries()) {
    const before = decoder.parameters.map((p) => p.value.slice());
    await run(step, step + 1);
    decoder.parameters.forEach(({ name, value }, i) => {
      const isTrained = name.startsWith(`model.layers.${layer}.`);
      expect(!value.every((v, j) => v === before[i][j]), `${step} ${name}`).toBe(isTrained);
      expect(Object.keys(optimizer.states[i])).toEqual(isTrained ? ['m', 'v'] : []);
    });
  }
});

test.each([
  [
    { use_galore: true, galore_target: ['q_proj', 'nothing'] },
    'galore_target: no trained linear layer has nothing',
  ],
  [{ use_badam: true, badam_start_block: 2 }, 'layers 0 to 1, found 2'],
])('%o is refused', async (change, message) => {
  const decoder = await tinyDecoder(backend, FULL);
  expect(() => makeOptimizer(decoder, { ...PLAIN_OPTIMIZER, ...change })).toThrow(message);
});

test('GaLore and APOLLO take their targets only', async () => {
  const decoder = await tinyDecoder(backend, FULL);
  const projected = (change: Partial<OptimizerArgs>) => {
    const { states } = makeOptimizer(decoder, { ...PLAIN_OPTIMIZER, ...change });
    return decoder.parameters.filter((_, i) => states[i].left ?? states[i].right).map((p) => p.name);
  };
  expect(projected({ use_galore: true })).toEqual(
    decoder.parameters.map((p) => p.name).filter((name) => name.includes('_proj.')),
  );
  expect(projected({ use_apollo: true, apollo_target: ['1.mlp', 'lm_head'] })).toEqual([
    'model.layers.1.mlp.gate_proj.weight',
    'model.layers.1.mlp.up_proj.weight',
    'model.layers.1.mlp.down_proj.weight',
    'lm_head.weight',
  ]);
});
