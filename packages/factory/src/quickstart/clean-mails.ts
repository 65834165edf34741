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
import {
  type LabelledText,
  SPAM_INSTRUCTION,
  SPAM_PACKAGE,
  type SpamLabel,
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

/**
 * Which mails are learned and which are held out never depends on a run, so that figures can be compared, and the base model's
 * pre-training text leaves the held-out ones out. No two of the split are near-duplicates (spam-task.test.ts).
 */
const SPLIT = JSON.parse(readFileSync(new URL('./split.json', import.meta.url), 'utf8')) as Record<
  'train' | 'test',
  string[]
>;

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
    .map((line) => toMail(JSON.parse(line) as ExportedMail));
  const dropped = (...names: string[]) =>
    reasons.reduce((sum, { reason, first }) => sum + (names.includes(reason) ? first : 0), 0);
  const task = spamTaskOf(rows, SPLIT, {
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

function toMail({ instruction, output, folder, file }: ExportedMail): LabelledText {
  const id = `${folder}/${file.split('.', 1)[0]}`;
  return { id, label: output, text: instruction.slice(SPAM_INSTRUCTION.length + 1) };
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
