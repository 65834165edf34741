// In: the words after `tunesmith data seal`: `check FILE... --seal sealed-test.json`. Out: which rows the sealed test set has,
// exactly or nearly; status 1 where there are any.
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { readDataWords } from './read-words.ts';

/** Matches shown on the terminal; JSON has all. */
const SHOWN = 20;

export async function seal({ words, json, terminal }: CommandContext): Promise<number> {
  const { things, options } = readDataWords(words, 'seal');
  const [verb, ...inputs] = things;
  const path = options.seal as string | null;
  if (verb !== 'check' || inputs.length === 0 || path === null)
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith data seal: expected "check", files and --seal, found ${JSON.stringify(words.join(' '))}`,
      remedy: 'Write "tunesmith data seal check rows.jsonl --seal data/sealed-test.json".',
    });
  const { checkSeal } = await import('#factory/pipeline/check-seal.ts');
  const { rows, unreadable, testRows, matches } = await checkSeal(inputs, path);
  const clean = matches.length === 0;
  if (json) terminal.out(`${JSON.stringify({ clean, rows, unreadable, test_rows: testRows, matches })}\n`);
  else {
    const lines = matches
      .slice(0, SHOWN)
      .map((m) => `  ${m.file} row ${m.row}: test row ${m.testRow}, similarity ${m.similarity.toFixed(3)}`);
    if (matches.length > SHOWN) lines.push(`  and ${matches.length - SHOWN} more (--json has all)`);
    terminal.out(
      [
        `${matches.length} of ${rows} rows are in the sealed test set of ${testRows} rows${unreadable === 0 ? '' : `; ${unreadable} rows cannot be read`}`,
        ...lines,
        '',
      ].join('\n'),
    );
  }
  return clean ? 0 : 1;
}
