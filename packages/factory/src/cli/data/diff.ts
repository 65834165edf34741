// In: the words after `tunesmith data diff`. Out: how the verdicts of two runs differ, on stdout.
import { FactoryError } from '#factory/errors.ts';
import type { LedgerDifference } from '#factory/store/compare-ledgers.ts';
import type { CommandContext } from '../command.ts';
import { readDataWords } from './read-words.ts';

export async function diff({ words, json, terminal }: CommandContext): Promise<number> {
  const { things } = readDataWords(words, 'diff');
  const [first, second, ...more] = things;
  if (first === undefined || second === undefined || more.length > 0 || first === second) {
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith data diff: expected the folders of two runs, found ${things.join(' ') || 'none'}`,
      remedy: 'Write "tunesmith data diff cleaned-a cleaned-b".',
    });
  }
  const { compareLedgers } = await import('#factory/store/compare-ledgers.ts');
  const found = await compareLedgers(first, second);
  terminal.out(json ? `${JSON.stringify(found)}\n` : diffText(found));
  return 0;
}

function diffText({ rows, verdicts, edited }: LedgerDifference): string {
  const word = (reason: string | null) => reason ?? 'kept';
  return [
    `rows in both ${rows.both}, only in the first ${rows.onlyFirst}, only in the second ${rows.onlySecond}`,
    ...verdicts.map(
      (one) =>
        `  ${word(one.first)} -> ${word(one.second)}: ${one.rows} rows, such as ${one.samples.join(' ')}`,
    ),
    edited.rows === 0
      ? 'kept by both with different text: 0'
      : `kept by both with different text: ${edited.rows}, such as ${edited.samples.join(' ')}`,
    '',
  ].join('\n');
}
