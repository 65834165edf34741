// In: a rule and an order of blocks. Out: BAdam (Luo, Yu and Li 2024, block coordinate descent): one block of parameters is
// trained at a time, with state of its own that begins anew at every switch. What a block is, is the caller's decision.
import type { UpdateRule } from './optimizer.ts';

export interface BlockOrder {
  /** Steps per block; Infinity never switches. */
  interval: number;
  /** The block of the n-th turn, n from 0. */
  blockAt(turn: number): number;
}

/** The first turn is one step shorter than the others, as in the reference implementation. */
function turnOf(step: number, { interval }: BlockOrder): { turn: number; stepInTurn: number } {
  const turn = interval === 1 ? step - 1 : Math.floor(step / interval);
  const first = turn === 0 ? 1 : interval === 1 ? step : turn * interval;
  return { turn, stepInTurn: step - first + 1 };
}

/** `rule` for the parameters of `block`; null for parameters that no block holds. */
export function badamRule(rule: UpdateRule, order: BlockOrder, block: number | null): UpdateRule {
  const isActive = (step: number) =>
    step > 0 && block !== null && order.blockAt(turnOf(step, order).turn) === block;
  return {
    isActive,
    makeState: (shape, stepsDone) =>
      isActive(stepsDone) ? rule.makeState(shape, turnOf(stepsDone, order).stepInTurn) : {},
    async step(parameter, state, options) {
      const { stepInTurn } = turnOf(options.step, order);
      if (stepInTurn === 1) Object.assign(state, rule.makeState(parameter.shape, 0));
      await rule.step(parameter, state, { ...options, step: stepInTurn });
    },
  };
}
