import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EngineError } from '../errors.ts';
import { makeSchedule, type ScheduleConfig } from './schedule.ts';

interface Case {
  kind: string;
  learning_rate: number;
  warmup_steps: number;
  total_steps: number;
  options: Record<string, unknown>;
  values: number[];
}
const fixture = new URL('../../../../test/parity/optim/optim.json', import.meta.url);
const { schedules: cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { schedules: Case[] };

describe('against get_scheduler of transformers', () => {
  test.each(cases)('$kind, $warmup_steps of $total_steps, $options', (c) => {
    const schedule = makeSchedule({
      kind: c.kind,
      learningRate: c.learning_rate,
      warmupSteps: c.warmup_steps,
      totalSteps: c.total_steps,
      options: c.options,
    });
    c.values.forEach((value, step) => {
      expect(Math.abs(schedule(step) - value), `step ${step}`).toBeLessThan(1e-13 * c.learning_rate);
    });
  });

  test('every schedule is in the fixture', () => {
    let kinds = '';
    try {
      makeSchedule(plan({ kind: 'none' }));
    } catch (error) {
      kinds = (error as EngineError).remedy;
    }
    expect(kinds).toBe(
      `Set lr_scheduler_type to one of ${[...new Set(cases.map((c) => c.kind))].join(', ')}.`,
    );
  });
});

const plan = (change: Partial<ScheduleConfig>): ScheduleConfig => ({
  kind: 'cosine',
  learningRate: 1e-4,
  warmupSteps: 2,
  totalSteps: 10,
  ...change,
});

test.each<[string, Partial<ScheduleConfig>, string]>([
  ['an unknown schedule', { kind: 'cosin' }, 'found cosin'],
  ['a name that every object has', { kind: 'toString' }, 'found toString'],
  ['a schedule that follows the loss', { kind: 'reduce_lr_on_plateau' }, 'found reduce_lr_on_plateau'],
  ['an option of another schedule', { options: { power: 2 } }, 'expected only num_cycles, found power'],
  [
    'an option where none is known',
    { kind: 'linear', options: { a: 1, b: 2 } },
    'expected only none, found a, b',
  ],
  [
    'text for a number',
    { options: { num_cycles: '1' } },
    'num_cycles of cosine: expected a number of at least 0, found "1"',
  ],
  ['a function for a number', { options: { num_cycles: () => 1 } }, 'found function'],
  ['a negative number', { options: { num_cycles: -1 } }, 'found -1'],
  ['an infinite number', { options: { num_cycles: Number.POSITIVE_INFINITY } }, 'num_cycles'],
  [
    'lr_end above the rate',
    { kind: 'polynomial', options: { lr_end: 1e-3 } },
    'expected less than the learning rate 0.0001',
  ],
  ['a timescale of 0', { kind: 'inverse_sqrt', options: { timescale: 0 } }, 'timescale'],
  ['no minimum', { kind: 'cosine_with_min_lr' }, 'found min_lr unset, min_lr_rate unset'],
  [
    'two minima',
    { kind: 'cosine_with_min_lr', options: { min_lr: 0, min_lr_rate: 0 } },
    'found min_lr 0, min_lr_rate 0',
  ],
  ['no decay', { kind: 'warmup_stable_decay' }, 'expected num_decay_steps'],
  [
    'an unknown shape',
    { kind: 'warmup_stable_decay', options: { num_decay_steps: 3, decay_type: 'exp' } },
    'decay_type of warmup_stable_decay: expected one of linear, cosine, 1-sqrt, found "exp"',
  ],
  ['a rate that is not a number', { learningRate: Number.NaN }, 'learning_rate'],
  ['a negative rate', { learningRate: -1 }, 'learning_rate'],
  ['half a step', { warmupSteps: 0.5 }, 'warmup_steps'],
  ['steps that are not a number', { totalSteps: Number.NaN }, 'max_steps'],
])('%s is refused', (_name, change, message) => {
  const make = () => makeSchedule(plan(change));
  expect(make).toThrow(EngineError);
  expect(make).toThrow(
    expect.objectContaining({
      code: 'ENGINE_BAD_SCHEDULE',
      message: expect.stringContaining(message),
      remedy: expect.stringMatching(/^(Set|Remove) .*\.$/),
    }),
  );
});

test('every rate is a number, also where the warm-up is longer than the run', () => {
  for (const { kind, options } of cases)
    for (const [warmupSteps, totalSteps] of [
      [0, 0],
      [0, 1],
      [5, 5],
      [9, 4],
    ]) {
      const schedule = makeSchedule(plan({ kind, options, warmupSteps, totalSteps }));
      for (let step = 0; step < 12; step++)
        expect(schedule(step), `${kind} at ${step}`).toBeGreaterThanOrEqual(0);
    }
});

test('null options are options that are not given', () => {
  expect(makeSchedule(plan({ options: { num_cycles: null } }))(6)).toBe(makeSchedule(plan({}))(6));
});
