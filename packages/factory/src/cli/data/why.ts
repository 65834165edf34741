// In: the words after `tunesmith data why`. Out: the story of one row on stdout.
import { FactoryError } from '#factory/errors.ts';
import type { RowStory } from '#factory/pipeline/why-row.ts';
import type { CommandContext } from '../command.ts';
import { readDataWords } from './read-words.ts';

export async function why({ words, json, terminal }: CommandContext): Promise<number> {
  const { things } = readDataWords(words, 'why');
  const [folder, row, ...more] = things;
  if (folder === undefined || row === undefined || more.length > 0) {
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith data why: expected the folder of a run and a row, found ${things.length} words`,
      remedy: 'Write "tunesmith data why cleaned 3fa2" or "tunesmith data why cleaned rows.jsonl:12".',
    });
  }
  const { withRun } = await import('#factory/pipeline/open-run.ts');
  const { whyRow } = await import('#factory/pipeline/why-row.ts');
  const story = await withRun(folder, ({ ledger, recipe }) => whyRow(ledger, recipe, row));
  terminal.out(json ? `${JSON.stringify(story)}\n` : storyText(story));
  return 0;
}

function storyText(story: RowStory): string {
  const { id, file, line, kept, entries, scores, tied, original, text } = story;
  return [
    `row ${id}, ${file} row ${line}: ${kept ? 'kept' : 'dropped'}`,
    ...entries.map(({ step, verdict, reason, score, threshold, detail, parents }) => {
      const numbers = score === null ? '' : ` ${number(score)}, threshold ${number(threshold)}`;
      const survivor = parents.length === 0 ? '' : `, stands for it: ${parents.join(' ')}`;
      return `  ${verdict} ${step}.${reason}${numbers}${detail === '' ? '' : ` (${detail})`}${survivor}`;
    }),
    'scores:',
    ...scores.map(({ step, score, value, rules }) => {
      const judged = rules.map(
        ({ reason, when, threshold, fires }) =>
          `${fires ? 'IS' : 'not'} ${when} ${threshold === null ? 'off' : number(threshold)} (${reason})`,
      );
      return `  ${step}.${score} ${typeof value === 'string' ? value : number(value)}  ${judged.join(', ')}`.trimEnd();
    }),
    ...(tied.length === 0
      ? []
      : ['tied to:', ...tied.map((one) => `  ${one.row} by ${one.step}: ${number(one.value)}`)]),
    `original: ${original}`,
    ...(text === original ? [] : [`now:      ${text}`]),
    '',
  ].join('\n');
}

function number(value: number | null): string {
  return value === null ? '-' : String(Number(value.toPrecision(6)));
}
