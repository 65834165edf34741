// In: the actions on evaluations. Out: their part of the page of `tunesmith help eval`, as text.
import { EVAL_ACTIONS, type EvalAction } from './actions.ts';

export function evalActionsPage(): string {
  return Object.entries<EvalAction>(EVAL_ACTIONS)
    .flatMap(([name, { meaning, usage, keys }]) => [
      `  tunesmith eval ${name} ${usage}`,
      `      ${meaning}`,
      ...keys.map((key) => `      --${key.name.padEnd(14)} ${JSON.stringify(key.default)}  ${key.meaning}`),
      '',
    ])
    .join('\n');
}
