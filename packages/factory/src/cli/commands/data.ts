// In: the words after `tunesmith data`. Out: one of its actions run.
import { suggest } from '#factory/arguments/suggest.ts';
import { FactoryError } from '#factory/errors.ts';
import type { Command, CommandContext } from '../command.ts';
import { DATA_ACTIONS, type DataActionName } from '../data/actions.ts';

const LOAD: Record<DataActionName, () => Promise<Command>> = {
  clean: async () => (await import('../data/clean.ts')).clean,
  export: async () => (await import('../data/export.ts')).exportRows,
  report: async () => (await import('../data/report.ts')).report,
  why: async () => (await import('../data/why.ts')).why,
  decide: async () => (await import('../data/change.ts')).decide,
  restore: async () => (await import('../data/change.ts')).restore,
  diff: async () => (await import('../data/diff.ts')).diff,
  split: async () => (await import('../data/split.ts')).split,
  augment: async () => (await import('../data/augment.ts')).augment,
  ifd: async () => (await import('../data/ifd.ts')).ifd,
  seal: async () => (await import('../data/seal.ts')).seal,
};

export async function data(context: CommandContext): Promise<number> {
  const [action = '', ...words] = context.words;
  if (!Object.hasOwn(LOAD, action)) {
    const names = Object.keys(DATA_ACTIONS);
    const meant = suggest(action, names);
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected one of ${names.join(', ')} after data, found ${JSON.stringify(action)}${meant === null ? '' : `; did you mean ${meant}?`}`,
      remedy: meant === null ? 'Run "tunesmith help data".' : `Write "tunesmith data ${meant}".`,
    });
  }
  const run = await LOAD[action as DataActionName]();
  return run({ ...context, words });
}
