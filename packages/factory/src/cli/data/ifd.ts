// In: the words after `tunesmith data ifd`: data, a model and an output file. Out: the rows with their IFD, and quartiles on stdout.
import { readFileSync } from 'node:fs';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { DATA_ACTIONS } from './actions.ts';
import { cleanProgress } from './clean-progress.ts';

export async function ifd({ words, json, terminal, env }: CommandContext): Promise<number> {
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, notes, options } = parseModelArgs(words, DATA_ACTIONS.ifd.keys, deps);
  const { output } = options as { output: string | null };
  for (const { text } of notes) terminal.err(`note: ${text}\n`);
  if (output === null || args.dataset.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `tunesmith data ifd: ${output === null ? 'output' : 'dataset'} is missing`,
      remedy: `Write "tunesmith data ifd ${DATA_ACTIONS.ifd.usage}".`,
    });
  const { scoreIfd } = await import('#factory/pipeline/score-ifd.ts');
  const progress = cleanProgress({ json, terminal, now: () => performance.now() });
  const stop = stopOnSignals(() => progress.message('stopping; nothing is written'));
  try {
    const result = await scoreIfd(args, output, {
      env,
      signal: stop.signal,
      note: (text) => progress.message(`note: ${text}`),
      onProgress: (done, total) => progress.show({ kind: 'progress', step: 'ifd', done, total }),
    });
    progress.close();
    if (json) {
      terminal.out(`${JSON.stringify(result)}\n`);
      return 0;
    }
    const { rows, scored, unhelped, quartiles } = result;
    const shown = quartiles?.map((value) => value.toFixed(3)).join(', ') ?? 'none';
    terminal.out(
      `${output}: ${rows} rows, ${scored} with ifd_loss_ratio; quartiles ${shown}\n` +
        `${unhelped} rows whose prompt does not help the answer (a ratio of 1 or more)\n`,
    );
    return 0;
  } catch (error) {
    if (error !== stop.signal.reason || !stop.signal.aborted) throw error;
    return 130;
  } finally {
    progress.close();
    stop.dispose();
  }
}
