// In: the raw mails, as they were collected. Out: the spam task made from what cleaning keeps of them, in two parts that share no
// text, and an account of what cleaning did. The run folder with its report is like any other of `tunesmith data clean`.
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { cleanData } from '#factory/pipeline/clean-data.ts';
import { readRecipe } from '#factory/pipeline/read-recipe.ts';
import type { CleanCounts, ReasonCount } from '#factory/records/ledger.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { isNear, overlaps } from './near-duplicates.ts';
import {
  SPAM_INSTRUCTION,
  SPAM_PACKAGE,
  type SpamLabel,
  type SpamRow,
  type SpamTask,
  spamTaskOf,
} from './spam-task.ts';

export interface CleanedTask extends SpamTask {
  cleaning: { counts: CleanCounts; reasons: ReasonCount[]; report: string };
}

export interface CleanMailsDeps {
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  now(): number;
  say(text: string): void;
}

/** Which mails are held out never depends on a run: the base model's pre-training text leaves them out. */
const HELD_OUT: ReadonlySet<string> = new Set(
  JSON.parse(readFileSync(new URL('./held-out.json', import.meta.url), 'utf8')) as string[],
);

export async function cleanMails(outputDir: string, deps: CleanMailsDeps): Promise<CleanedTask> {
  // A folder of an earlier quickstart may hold another recipe; this one is made anew in a few seconds.
  await rm(outputDir, { recursive: true, force: true });
  const { counts, reasons } = await cleanData(
    [join(packageFolder(), 'data/*/*.txt')],
    readRecipe('spam-mails'),
    outputDir,
    { layout: 'alpaca', container: 'jsonl', name: 'mails', keep: ['folder', 'file'], ids: false },
    {
      ...{ env: deps.env, fetch, signal: deps.signal, now: deps.now, threads: 2 },
      onEvent: () => {},
    },
  );
  const rows = readFileSync(join(outputDir, 'export/mails.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => toSpamRow(JSON.parse(line) as ExportedMail));
  const test = rows.filter(({ id }) => HELD_OUT.has(id));
  const rest = awayFrom(
    test,
    rows.filter(({ id }) => !HELD_OUT.has(id)),
  );
  const dropped = (...names: string[]) =>
    reasons.reduce((sum, { reason, first }) => sum + (names.includes(reason) ? first : 0), 0);
  const task = spamTaskOf(rest, test, {
    mails: counts.read + counts.unreadable,
    empty: counts.unreadable + dropped('no_prompt_words'),
    duplicates: dropped('exact_duplicate', 'near_duplicate'),
    contradictory: dropped('answer_disputed'),
  });
  return { ...task, cleaning: { counts, reasons, report: join(outputDir, 'report.html') } };
}

interface ExportedMail {
  instruction: string;
  output: SpamLabel;
  folder: string;
  file: string;
}

function toSpamRow({ instruction, output, folder, file }: ExportedMail): SpamRow {
  const id = `${folder}/${file.split('.', 1)[0]}`;
  return { id, instruction: SPAM_INSTRUCTION, input: instruction.slice(SPAM_INSTRUCTION.length + 1), output };
}

/** Cleaning looks for near duplicates by whole texts; a mail quoted inside a held-out one counts here too. */
function awayFrom(test: readonly SpamRow[], rows: readonly SpamRow[]): SpamRow[] {
  const near = new Set<number>();
  const texts = (list: readonly SpamRow[]) => list.map(({ input }) => input);
  for (const pair of overlaps(texts(rows), texts(test))) if (isNear(pair)) near.add(pair.a);
  const away = rows.filter((_, index) => !near.has(index));
  return seededRandom('spam-task/rows').shuffle(away);
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${SPAM_PACKAGE}/package.json`));
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `The quickstart needs the package ${SPAM_PACKAGE}, which Node does not find.`,
      remedy: 'Run `npm ci` in the repository, then start again.',
      cause,
    });
  }
}
