// In: an action on evaluations that are there, and its words. Out: it run. Each is loaded when it is asked for.
import type { Command, CommandContext } from '../command.ts';
import { EVAL_ACTIONS, type EvalActionName } from './actions.ts';

const LOAD: Record<EvalActionName, () => Promise<Command>> = {
  compare: async () => (await import('./compare.ts')).compareCommand,
  judge: async () => (await import('./judge.ts')).judgeCommand,
  verdict: async () => (await import('./verdict.ts')).verdictCommand,
};

export function isEvalAction(word: string): word is EvalActionName {
  return Object.hasOwn(EVAL_ACTIONS, word);
}

export async function runEvalAction(action: EvalActionName, context: CommandContext): Promise<number> {
  const run = await LOAD[action]();
  return run({ ...context, words: context.words.slice(1) });
}
