// The training loop on a tiny decoder: what is due when, and every way to stop and go on.
import { type Optimizer, openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '#factory/model/decoder.ts';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { PLAIN_OPTIMIZER } from './fixtures/optimizer-args.ts';
import { makeOptimizer } from './optimizer.ts';
import { freshState, type RunState } from './run-state.ts';
import { supervised } from './task.ts';
import { type Stopped, type TrainDeps, type TrainSettings, train } from './train.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const rows = tinyRows([6, 9, 4, 7, 8, 5, 6, 7], 'train');
const settings: TrainSettings = {
  totalSteps: 8,
  stepsPerEpoch: 4,
  totalEpochs: 2,
  learningRate: (step) => 0.02 * (1 - step / 8),
  maxGradNorm: 1,
  seed: 42,
  residualBytes: 2 ** 40,
  noiseAlpha: 0,
  balanceWeight: 0,
  log: { every: 'steps', steps: 3 },
  logFirstStep: false,
  logTokens: false,
  savesModelOnly: false,
  save: { every: 'never' },
  evaluate: { every: 'never' },
  evaluateFirst: false,
  evalBatchSize: 2,
  wantAccuracy: false,
  bestMetric: 'eval_loss',
  greaterIsBetter: false,
  patience: null,
  keepBufferBytes: 2 ** 20,
};

const adamw = { ...PLAIN_OPTIMIZER, weight_decay: 0.01 };

interface Checkpoint {
  isToGoOnFrom?: boolean;
  state: RunState;
  values: Float32Array[];
  moments: Optimizer['states'];
}

interface Run {
  stopped: Stopped;
  events: TrainEvent[];
  saved: Checkpoint[];
  last: Checkpoint;
}

interface Options {
  settings?: Partial<TrainSettings>;
  evaluation?: TrainDeps<EncodedExample>['evaluation'];
  /** Goes on from here. */
  from?: Checkpoint;
  decoder?: Decoder;
  weightDecay?: number;
  onEvent?(event: TrainEvent, decoder: Decoder, abort: () => void): void;
}

const adapted = () => tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0.2 } });

async function run(options: Options = {}): Promise<Run> {
  const decoder = options.decoder ?? (await adapted());
  const { from } = options;
  from?.values.forEach((value, i) => {
    decoder.parameters[i].value.set(value);
  });
  const state = from ? structuredClone(from.state) : freshState();
  const weight_decay = options.weightDecay ?? adamw.weight_decay;
  const optimizer = makeOptimizer(decoder, { ...adamw, weight_decay });
  for (const [i, moments] of (from?.moments ?? []).entries()) optimizer.states[i] = structuredClone(moments);
  const now = (): Checkpoint =>
    structuredClone({
      state,
      moments: optimizer.states,
      values: decoder.parameters.map((p) => p.value),
    });
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  const saved: Checkpoint[] = [];
  const stopped = await train({
    decoder,
    task: supervised,
    planEpoch: (epoch) => {
      const order = seededRandom(`order/${epoch}`).shuffle([...rows.keys()]);
      return [0, 1, 2, 3].map((step) => [[order[2 * step]], [order[2 * step + 1]]]);
    },
    rows,
    evaluation: options.evaluation ?? [{ name: '', rows: tinyRows([5, 6, 7], 'held out') }],
    state,
    optimizer,
    settings: { ...settings, ...options.settings },
    // Time stands still, so that runs can be compared.
    clock: () => 0,
    rssBytes: () => 0,
    emit(event) {
      events.push(event);
      options.onEvent?.(event, decoder, () => controller.abort());
    },
    async save(isToGoOnFrom) {
      saved.push({ ...now(), isToGoOnFrom });
      return `checkpoint-${state.step}`;
    },
    signal: controller.signal,
  });
  return { stopped, events, saved, last: now() };
}

const stepsOf = ({ saved }: Run) => saved.map((c) => c.state.step);
const logged = ({ last }: Run, key: string) =>
  last.state.logHistory.flatMap((e) => (key in e ? [e.step] : []));

describe('train', () => {
  test('runs to the end, tells every step, and lowers the loss', async () => {
    const result = await run({ settings: { totalSteps: 40, learningRate: () => 0.02 } });
    expect(result.stopped).toBe('finished');
    const steps = result.events.filter((e) => e.kind === 'step');
    expect(steps.map((e) => e.step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const mean = (from: number) => steps.slice(from, from + 4).reduce((n, e) => n + e.loss, 0) / 4;
    expect(mean(36)).toBeLessThan(0.5 * mean(0));
    expect(steps[5]).toMatchObject({ totalSteps: 40, epoch: 1.5, learningRate: 0.02 });
    const { state } = result.last;
    expect(state.totalLoss).toBeCloseTo(
      steps.reduce((n, e) => n + e.loss, 0),
      10,
    );
    expect(state.tokensSeen).toBe(10 * rows.reduce((n, r) => n + r.inputIds.length, 0));
    expect(state.labelTokensSeen).toBe(steps.reduce((n, e) => n + e.labelTokens, 0));
  });

  test('an entry of the log has the mean loss since the last one', async () => {
    const { events, last } = await run({ settings: { logFirstStep: true } });
    const losses = events.flatMap((e) => (e.kind === 'step' ? [e.loss] : []));
    const history = last.state.logHistory;
    expect(history.map((e) => e.step)).toEqual([1, 3, 6]);
    // Rounded to four decimals, as Hugging Face's Trainer logs it.
    const mean = (...of: number[]) => Number((of.reduce((a, b) => a + b, 0) / of.length).toFixed(4));
    expect(history.map((e) => e.loss)).toEqual([
      mean(losses[0]),
      mean(...losses.slice(1, 3)),
      mean(...losses.slice(3, 6)),
    ]);
    expect(history[2]).toMatchObject({ epoch: 1.5, learning_rate: settings.learningRate(5) });
    expect(history[2].grad_norm).toBeGreaterThan(0);
    expect(events.filter((e) => e.kind === 'log').map((e) => e.entry)).toEqual(history);
    expect(history[2]).not.toHaveProperty('num_input_tokens_seen');
  });

  test('an entry of the log has the tokens seen when asked', async () => {
    const { last, events } = await run({ settings: { logTokens: true } });
    const tokens = events.flatMap((e) => (e.kind === 'step' ? [e.tokens] : []));
    const seen = (steps: number) => tokens.slice(0, steps).reduce((a, b) => a + b, 0);
    expect(last.state.logHistory.map((e) => e.num_input_tokens_seen)).toEqual([seen(3), seen(6)]);
  });

  test('saves and evaluates when it is due, and saves the last step', async () => {
    const every3 = await run({
      settings: {
        save: { every: 'steps', steps: 3 },
        evaluate: { every: 'steps', steps: 2 },
        evaluateFirst: true,
      },
    });
    expect(stepsOf(every3)).toEqual([3, 6, 8]);
    expect(logged(every3, 'eval_loss')).toEqual([0, 2, 4, 6, 8]);
    expect(every3.events.filter((e) => e.kind === 'checkpoint').map((e) => e.path)).toEqual(
      [3, 6, 8].map((n) => `checkpoint-${n}`),
    );
    const perEpoch = await run({
      settings: { totalSteps: 6, save: { every: 'epoch' }, evaluate: { every: 'epoch' } },
    });
    expect(stepsOf(perEpoch)).toEqual([4, 6]);
    expect(logged(perEpoch, 'eval_loss')).toEqual([4, 6]);
    expect(stepsOf(await run())).toEqual([]);
  });

  test('evaluates every set under its name and keeps the best step', async () => {
    const { last } = await run({
      evaluation: ['a', 'b'].map((name) => ({ name, rows: tinyRows([5, 6], name) })),
      settings: { evaluate: { every: 'steps', steps: 1 }, wantAccuracy: true, bestMetric: 'eval_b_loss' },
    });
    const evaluations = last.state.logHistory.filter((e) => 'eval_b_loss' in e);
    expect(evaluations).toHaveLength(8);
    for (const entry of evaluations)
      for (const name of ['a', 'b'])
        for (const key of ['loss', 'accuracy', 'runtime', 'samples_per_second', 'steps_per_second'])
          expect(entry).toHaveProperty(`eval_${name}_${key}`);
    const best = evaluations.reduce((a, b) => (b.eval_b_loss < a.eval_b_loss ? b : a));
    expect(last.state.best).toEqual({ metric: best.eval_b_loss, step: best.step });
  });

  test('stops early after as many evaluations without a better metric as patience says, and saves', async () => {
    // The rate is 0 from step 3 on: the metric stays the same, which is not better.
    const options = {
      learningRate: (step: number) => (step < 2 ? 1e-3 : 0),
      evaluate: { every: 'steps', steps: 1 },
      patience: 3,
      totalSteps: 30,
    } as const;
    const { stopped, last } = await run({ settings: options });
    expect(stopped).toBe('early');
    const { best, step } = last.state;
    expect(step).toBe((best?.step ?? 0) + 3);
    const saving = await run({ settings: { ...options, save: { every: 'steps', steps: 100 } } });
    expect(stepsOf(saving)).toEqual([step]);
    // Such a run is over: going on from its checkpoint does nothing.
    const again = await run({ settings: options, from: saving.saved[0] });
    expect(again.stopped).toBe('early');
    expect(again.events).toEqual([]);
    // Greater is better: the same metrics, the other way round.
    const reversed = await run({ settings: { ...options, greaterIsBetter: true } });
    expect(reversed.stopped).toBe('early');
  });

  test('a loss that is no number ends the run without applying the step', async () => {
    const decoder = await adapted();
    let before: Float32Array[] = [];
    const norm = decoder.weights.get('model.norm.weight')?.data as Float32Array;
    const running = run({
      decoder,
      settings: { save: { every: 'steps', steps: 2 } },
      onEvent(event) {
        if (event.kind !== 'step' || event.step !== 3) return;
        norm[0] = Number.NaN;
        before = decoder.parameters.map((p) => p.value.slice());
      },
    });
    await expect(running).rejects.toMatchObject({
      code: 'TRAIN_DIVERGED',
      message: 'step 4: the loss is NaN; the step was not applied',
      remedy: expect.stringContaining('step 2'),
      details: { step: 4, savedAt: 2 },
    });
    expect(before).not.toEqual([]);
    expect(decoder.parameters.map((p) => p.value)).toEqual(before);
  });

  test('an abort lets the step end, saves it and says so', async () => {
    const result = await run({
      onEvent: (event, _, abort) => event.kind === 'step' && event.step === 3 && abort(),
    });
    expect(result.stopped).toBe('interrupted');
    expect(stepsOf(result)).toEqual([3]);
    expect(result.saved[0].isToGoOnFrom).toBe(true);
    // Saved by its interval already: not twice.
    const saved = await run({
      settings: { save: { every: 'steps', steps: 3 } },
      onEvent: (event, _, abort) => event.kind === 'step' && event.step === 3 && abort(),
    });
    expect(stepsOf(saved)).toEqual([3]);
    expect(saved.saved[0].isToGoOnFrom).toBe(false);
  });

  test('an abort before the first step saves nothing', async () => {
    const result = await run({
      settings: { evaluateFirst: true },
      onEvent: (event, _, abort) => event.kind === 'evaluate' && abort(),
    });
    expect(result.stopped).toBe('interrupted');
    expect(result.last.state.step).toBe(0);
    expect(result.saved).toEqual([]);
  });

  test.each([
    ['an adapter with dropout', adapted],
    ['all parameters', () => tinyDecoder(backend, { trained: 'all' })],
  ])('stopped anywhere and resumed, a run on %s ends with the same bits', async (_, make) => {
    const options = { evaluate: { every: 'steps', steps: 3 } as const, patience: 5 };
    const whole = await run({ decoder: await make(), settings: options });
    for (const stop of [1, 4, 5]) {
      const first = await run({
        decoder: await make(),
        settings: options,
        onEvent: (event, _, abort) => event.kind === 'step' && event.step === stop && abort(),
      });
      expect(first.stopped).toBe('interrupted');
      const second = await run({ decoder: await make(), settings: options, from: first.saved.at(-1) });
      expect(second.stopped).toBe('finished');
      expect(second.last).toEqual(whole.last);
      expect([...first.events, ...second.events].filter((e) => e.kind === 'step')).toEqual(
        whole.events.filter((e) => e.kind === 'step'),
      );
    }
  });

  test('a finished run does nothing when it is started again', async () => {
    const { last } = await run();
    const again = await run({ from: last });
    expect(again.stopped).toBe('finished');
    expect(again.events).toEqual([]);
    expect(again.last).toEqual(last);
  });

  test('the same seed gives the same bits, another seed another dropout', async () => {
    const first = await run();
    expect(await run()).toEqual(first);
    const other = await run({ settings: { seed: 43 } });
    expect(other.last.values).not.toEqual(first.last.values);
  });

  test('keeping and recomputing residuals, and keeping no buffers, give the same bits', async () => {
    const first = await run();
    const other = await run({ settings: { residualBytes: 0, keepBufferBytes: 0 } });
    expect(other.last).toEqual(first.last);
  });

  test('weight decay spares norms, and gradients are clipped', async () => {
    const learningRate = () => 0.1;
    const decoder = await tinyDecoder(backend, { trained: 'all' });
    const silent = rows.map((r) => ({ ...r, labels: r.labels.map(() => -100) }));
    const before = decoder.parameters.map((p) => p.value.slice());
    const plan = [0, 1, 2, 3].map((r) => [[r]]);
    await train({
      decoder,
      task: supervised,
      planEpoch: () => plan,
      rows: silent,
      evaluation: [],
      state: freshState(),
      optimizer: makeOptimizer(decoder, { ...adamw, weight_decay: 0.5 }),
      settings: { ...settings, totalSteps: 1, learningRate },
      clock: () => 0,
      rssBytes: () => 0,
      emit: () => {},
      save: async () => '',
      signal: new AbortController().signal,
    });
    // Without labels there is no gradient, so that decay acts alone.
    decoder.parameters.forEach(({ name, value }, i) => {
      const kept = /norm/.test(name) ? 1 : Math.fround(1 - 0.1 * 0.5);
      expect(value, name).toEqual(before[i].map((v) => v * kept));
    });
    const moved = async (maxGradNorm: number) =>
      (await run({ settings: { totalSteps: 1, maxGradNorm } })).last.moments.map((s) => s.m.data);
    const size = (m: ArrayLike<number>[]) => Math.hypot(...m.flatMap((a) => Array.from(a)));
    // The first moment after one step is a tenth of the gradient.
    expect(size(await moved(1e-3))).toBeCloseTo(1e-4, 7);
    expect(size(await moved(0))).toBeGreaterThan(1e-2);
    expect(await moved(0)).toEqual(await moved(1e9));
  });
});
