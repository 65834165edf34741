// In: the words after `tunesmith data clean`. Out: a run folder; on the terminal what each step keeps, while it runs.
import { availableParallelism } from 'node:os';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { cleanProgress } from './clean-progress.ts';
import { exportWish } from './export.ts';
import { readDataWords } from './read-words.ts';
import { resultText } from './result-text.ts';

export async function clean(context: CommandContext): Promise<number> {
  const { json, terminal, env } = context;
  const { things, options } = readDataWords(context.words, 'clean');
  const outputDir = options.output_dir as string | null;
  if (things.length === 0 || outputDir === null) {
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `tunesmith data clean: ${outputDir === null ? 'output_dir' : 'the input'} is missing`,
      remedy: 'Write "tunesmith data clean rows.jsonl --output_dir cleaned".',
    });
  }
  const { readRecipe } = await import('#factory/pipeline/read-recipe.ts');
  const recipe = readRecipe(options.recipe as string);
  const { cleanData } = await import('#factory/pipeline/clean-data.ts');
  const progress = cleanProgress({ json, terminal, now: () => performance.now() });
  const stop = stopOnSignals(() =>
    progress.message('stopping after this batch (Ctrl-C again stops at once)'),
  );
  try {
    const result = await cleanData(things, recipe, outputDir, exportWish(options), {
      ...{ env, fetch, signal: stop.signal, now: Date.now },
      threads: (options.threads as number | null) ?? availableParallelism(),
      onEvent: progress.show,
    });
    progress.close();
    terminal.out(json ? `${JSON.stringify(result)}\n` : resultText(result));
    return 0;
  } catch (error) {
    progress.close();
    if (error instanceof FactoryError && error.code === 'DATA_INTERRUPTED') {
      terminal.err(`${error.message}: what is done is kept. ${error.remedy}\n`);
      return 130;
    }
    throw error;
  } finally {
    stop.dispose();
  }
}
