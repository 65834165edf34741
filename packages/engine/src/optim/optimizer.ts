// In: trained parameters, and for each a rule of update with its share of the learning rate and its weight decay. Out: the
// parameters after a step, in place, and the state of every rule as named arrays, which is all that a checkpoint has to
// keep. Which rule a parameter gets, schedules and clipping are the caller's decisions.
import { EngineError } from '../errors.ts';

export interface StateArray {
  shape: number[];
  data: Float32Array | Int32Array;
}

/** What a rule remembers of one parameter from step to step, by name. */
export type ParameterState = Record<string, StateArray>;

export interface TrainedArray {
  name: string;
  shape: readonly number[];
  value: Float32Array;
  gradient: Float32Array;
}

export interface StepOptions {
  /** Learning rate of this step for this parameter. */
  lr: number;
  weightDecay: number;
  /** Counts from 1. */
  step: number;
  /** Multiplies the gradient as it is read (clipping, loss scale); the gradient itself stays as it is. */
  gradScale: number;
}

export interface UpdateRule {
  /** The state before step `stepsDone + 1`, all zeros; `stepsDone` is 0 for a new run. */
  makeState(shape: readonly number[], stepsDone: number): ParameterState;
  /** One step in place. A rule may add or remove arrays of the state; `makeState` then knows at which steps. */
  step(parameter: TrainedArray, state: ParameterState, options: StepOptions): void | Promise<void>;
  /** Whether step `step` changes the parameter, where it does not always; in between it has the state of `makeState`. */
  isActive?(step: number): boolean;
}

export interface ParameterPlan {
  rule: UpdateRule;
  /** Multiplies the learning rate of every step. */
  lrScale: number;
  weightDecay: number;
}

export class Optimizer {
  /** By parameter, in the order given. */
  readonly states: ParameterState[];
  readonly #parameters: readonly TrainedArray[];
  readonly #plans: readonly ParameterPlan[];

  constructor(parameters: readonly TrainedArray[], plan: (parameter: TrainedArray) => ParameterPlan) {
    this.#parameters = parameters;
    this.#plans = parameters.map(plan);
    this.states = [];
    this.reset(0);
  }

  /** Puts zeros in the place of all state, in the form that it has after `stepsDone` steps. */
  reset(stepsDone: number): void {
    this.#parameters.forEach(({ shape }, i) => {
      this.states[i] = this.#plans[i].rule.makeState(shape, stepsDone);
    });
  }

  /** Gradients of the parameters that step `step` changes: those that the norm is taken over. */
  gradients(step: number): Float32Array[] {
    return this.#parameters.filter((_, i) => this.#isActive(i, step)).map(({ gradient }) => gradient);
  }

  #isActive(i: number, step: number): boolean {
    return this.#plans[i].rule.isActive?.(step) ?? true;
  }

  async step(options: { learningRate: number; step: number; gradScale: number }): Promise<void> {
    const { learningRate, step, gradScale } = options;
    for (const [i, parameter] of this.#parameters.entries()) {
      const { name, shape, value, gradient } = parameter;
      if (!this.#isActive(i, step)) {
        this.states[i] = this.#plans[i].rule.makeState(shape, step);
        continue;
      }
      if (gradient.length !== value.length)
        throw new EngineError({
          code: 'ENGINE_BAD_SHAPE',
          message: `optimiser: expected a gradient of ${value.length} elements for ${name}, found ${gradient.length}`,
          remedy: 'Pass a gradient of the size of its parameter.',
        });
      const { rule, lrScale, weightDecay } = this.#plans[i];
      await rule.step(parameter, this.states[i], {
        lr: learningRate * lrScale,
        weightDecay,
        step,
        gradScale,
      });
    }
  }
}

/** An array of zeros for a state. */
export function zeros(shape: readonly number[]): { shape: number[]; data: Float32Array } {
  return { shape: [...shape], data: new Float32Array(shape.reduce((n, d) => n * d, 1)) };
}

/** The floats of a state's array. */
export function floats(state: ParameterState, name: string): Float32Array {
  return state[name].data as Float32Array;
}
