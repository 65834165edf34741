// In: the words after `tunesmith data report`. Out: counts of the run on stdout.
import type { ReasonCount } from '#factory/records/ledger.ts';
import type { CommandContext } from '../command.ts';
import { oneRun, readDataWords } from './read-words.ts';
import { resultText } from './result-text.ts';

export async function report({ words, json, terminal }: CommandContext): Promise<number> {
  const { things } = readDataWords(words, 'report');
  const { withRun } = await import('#factory/pipeline/open-run.ts');
  return withRun(oneRun(things, 'report'), async ({ folder, ledger }) => {
    const reasons = (await ledger.query(
      'select step, reason, verdict, rows, first, only_ as only from rules order by rowid',
    )) as unknown as ReasonCount[];
    const result = {
      outputDir: folder,
      counts: (await ledger.info('counts')) as never,
      reasons,
      exported: (await ledger.info('exported')) as never,
    };
    terminal.out(json ? `${JSON.stringify(result)}\n` : resultText(result));
    return 0;
  });
}
