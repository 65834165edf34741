// In: the words after `tunesmith eval compare`. Out: the comparison as a table, JSON, or a page.
import { comparisonPage } from '#factory/eval/report/comparison-page.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import type { CommandContext } from '../command.ts';
import { comparisonText } from './compare-table.ts';
import { compareFolders, readEvalWords } from './read-sides.ts';

export async function compareCommand({ words, json, terminal }: CommandContext): Promise<number> {
  const { things, options } = readEvalWords(words, 'compare', ['BASE', 'CANDIDATE']);
  const { comparison } = await compareFolders(things, options, options.level as number);
  const html = options.html as string | null;
  if (html !== null) await writeAtomic(html, comparisonPage(comparison));
  terminal.out(json ? `${JSON.stringify(comparison)}\n` : comparisonText(comparison));
  return 0;
}
