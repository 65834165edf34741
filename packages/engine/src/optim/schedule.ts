// In: a schedule's name, its options, the learning rate and the step counts. Out: the learning rate of each step.
// Formulas, option names and defaults are those of `get_scheduler` in transformers 5. Unlike there, an option that the
// schedule does not know is an error. Schedules that look at the loss (reduce_lr_on_plateau, greedy) are not offered.
import { EngineError } from '../errors.ts';

export interface ScheduleConfig {
  kind: string;
  /** The learning rate that the schedule's factor multiplies. */
  learningRate: number;
  warmupSteps: number;
  totalSteps: number;
  /** `lr_scheduler_kwargs`; null counts as not given. */
  options?: Readonly<Record<string, unknown>>;
}

type Plan = Required<ScheduleConfig>;
type Factor = (step: number) => number;

function fail(message: string, remedy: string): EngineError {
  return new EngineError({ code: 'ENGINE_BAD_SCHEDULE', message, remedy });
}

/** Takes options one by one; `rejectRest` then names those that nobody took. */
class Options {
  readonly #kind: string;
  readonly #given: Map<string, unknown>;
  readonly #known: string[] = [];

  constructor({ kind, options }: Plan) {
    this.#kind = kind;
    this.#given = new Map(
      Object.entries(options).filter(([, value]) => value !== null && value !== undefined),
    );
  }

  #take(name: string): unknown {
    const value = this.#given.get(name);
    this.#known.push(name);
    this.#given.delete(name);
    return value;
  }

  /** A number of at least 0. */
  number<T extends number | undefined>(name: string, fallback: T): number | T {
    const value = this.#take(name);
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw fail(
      `lr_scheduler_kwargs.${name} of ${this.#kind}: expected a number of at least 0, found ${JSON.stringify(value) ?? typeof value}`,
      `Set ${name} to a number of at least 0, or leave it out.`,
    );
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#take(name);
    if (value === undefined) return fallback;
    const found = choices.find((c) => c === value);
    if (found !== undefined) return found;
    throw fail(
      `lr_scheduler_kwargs.${name} of ${this.#kind}: expected one of ${choices.join(', ')}, found ${JSON.stringify(value) ?? typeof value}`,
      `Set ${name} to one of ${choices.join(', ')}.`,
    );
  }

  rejectRest(): void {
    if (this.#given.size === 0) return;
    const known = this.#known.join(', ') || 'none';
    throw fail(
      `lr_scheduler_kwargs of ${this.#kind}: expected only ${known}, found ${[...this.#given.keys()].join(', ')}`,
      `Remove ${[...this.#given.keys()].join(', ')} from lr_scheduler_kwargs, or choose a schedule that knows it.`,
    );
  }
}

/** A linear rise from 0 over the warm-up, then `after`. */
const warmUp =
  (warmupSteps: number, after: Factor): Factor =>
  (step) =>
    step < warmupSteps ? step / Math.max(1, warmupSteps) : after(step);

/** How much of the way from the end of the warm-up to the last step lies behind. */
const progressOf =
  ({ warmupSteps, totalSteps }: Plan): Factor =>
  (step) =>
    (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);

/** 1 at the start and 0 after half a cycle. */
const wave = (cycles: number, progress: number): number =>
  0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress));

/** From `floor` to 1 instead of from 0 to 1. */
const raise = (factor: number, floor: number): number => factor * (1 - floor) + floor;

const SHAPES = ['linear', 'cosine', '1-sqrt'] as const;

const schedules: Record<string, (plan: Plan, options: Options) => Factor> = {
  linear: ({ warmupSteps, totalSteps }) =>
    warmUp(warmupSteps, (step) => Math.max(0, (totalSteps - step) / Math.max(1, totalSteps - warmupSteps))),

  cosine: (plan, options) => {
    const cycles = options.number('num_cycles', 0.5);
    const progress = progressOf(plan);
    return warmUp(plan.warmupSteps, (step) => Math.max(0, wave(cycles, progress(step))));
  },

  cosine_with_restarts: (plan, options) => {
    const cycles = options.number('num_cycles', 1);
    const progress = progressOf(plan);
    return warmUp(plan.warmupSteps, (step) => {
      const p = progress(step);
      return p >= 1 ? 0 : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((cycles * p) % 1))));
    });
  },

  polynomial: ({ warmupSteps, totalSteps, learningRate }, options) => {
    const end = options.number('lr_end', 1e-7);
    const power = options.number('power', 1);
    if (end >= learningRate)
      throw fail(
        `lr_scheduler_kwargs.lr_end of polynomial: expected less than the learning rate ${learningRate}, found ${end}`,
        'Set lr_end below learning_rate.',
      );
    return warmUp(warmupSteps, (step) => {
      if (step >= totalSteps) return end / learningRate;
      const remaining = 1 - (step - warmupSteps) / (totalSteps - warmupSteps);
      return ((learningRate - end) * remaining ** power + end) / learningRate;
    });
  },

  constant: () => () => 1,
  constant_with_warmup: ({ warmupSteps }) => warmUp(warmupSteps, () => 1),

  inverse_sqrt: ({ warmupSteps }, options) => {
    const timescale = options.number('timescale', warmupSteps || 10_000);
    if (timescale === 0)
      throw fail(
        'lr_scheduler_kwargs.timescale of inverse_sqrt: expected more than 0, found 0',
        'Set timescale to a positive number of steps, or leave it out.',
      );
    return warmUp(warmupSteps, (step) => 1 / Math.sqrt((step + (timescale - warmupSteps)) / timescale));
  },

  cosine_with_min_lr: (plan, options) => {
    const cycles = options.number('num_cycles', 0.5);
    const least = options.number('min_lr', undefined);
    const rate = options.number('min_lr_rate', undefined);
    if ((least === undefined) === (rate === undefined) || plan.learningRate === 0)
      throw fail(
        `lr_scheduler_kwargs of cosine_with_min_lr: expected one of min_lr and min_lr_rate and a learning rate above 0, found min_lr ${least ?? 'unset'}, min_lr_rate ${rate ?? 'unset'} and ${plan.learningRate}`,
        'Set either min_lr or min_lr_rate in lr_scheduler_kwargs.',
      );
    const floor = rate ?? (least as number) / plan.learningRate;
    const progress = progressOf(plan);
    return warmUp(plan.warmupSteps, (step) => Math.max(0, raise(wave(cycles, progress(step)), floor)));
  },

  warmup_stable_decay: ({ warmupSteps, totalSteps }, options) => {
    const decaySteps = options.number('num_decay_steps', undefined);
    if (decaySteps === undefined)
      throw fail(
        'lr_scheduler_kwargs of warmup_stable_decay: expected num_decay_steps, found none',
        'Set num_decay_steps in lr_scheduler_kwargs.',
      );
    const stableSteps = options.number('num_stable_steps', totalSteps - warmupSteps - decaySteps);
    const rise = options.choice('warmup_type', SHAPES, 'linear');
    const fall = options.choice('decay_type', SHAPES, 'cosine');
    const floor = options.number('min_lr_ratio', 0);
    const cycles = options.number('num_cycles', 0.5);
    const up = (p: number) =>
      rise === 'linear' ? p : rise === 'cosine' ? 1 - wave(0.5, p) : 1 - Math.sqrt(1 - p);
    const down = (p: number) =>
      fall === 'linear' ? 1 - p : fall === 'cosine' ? wave(cycles, p) : 1 - Math.sqrt(p);
    return (step) => {
      if (step < warmupSteps) return Math.max(0, raise(up(step / Math.max(1, warmupSteps)), floor));
      const decayed = step - warmupSteps - stableSteps;
      if (decayed < 0) return 1;
      return decayed < decaySteps
        ? Math.max(0, raise(down(decayed / Math.max(1, decaySteps)), floor))
        : floor;
    };
  },
};

/** The learning rate of the step after `step` completed ones: `schedule(0)` is the first step's. */
export function makeSchedule(config: ScheduleConfig): (step: number) => number {
  const plan: Plan = { ...config, options: config.options ?? {} };
  const { kind, learningRate, warmupSteps, totalSteps } = plan;
  const make = Object.hasOwn(schedules, kind) ? schedules[kind] : undefined;
  if (!make) {
    const kinds = Object.keys(schedules).join(', ');
    throw fail(
      `lr_scheduler_type: expected one of ${kinds}, found ${kind}`,
      `Set lr_scheduler_type to one of ${kinds}.`,
    );
  }
  if (!(learningRate >= 0 && Number.isFinite(learningRate)))
    throw fail(
      `learning_rate: expected a number of at least 0, found ${learningRate}`,
      'Set learning_rate to a number of at least 0.',
    );
  for (const [name, steps] of Object.entries({ warmup_steps: warmupSteps, max_steps: totalSteps }))
    if (!(Number.isInteger(steps) && steps >= 0))
      throw fail(
        `${name} of ${kind}: expected a whole number of at least 0, found ${steps}`,
        `Set ${name} to a whole number.`,
      );
  const options = new Options(plan);
  const factor = make(plan, options);
  options.rejectRest();
  return (step) => learningRate * factor(step);
}
