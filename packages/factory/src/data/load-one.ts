// In: one data set, by its entry or plain path. Out: its examples after num_samples and max_samples, the issues of the
// rows taken, and their count. used + dropped = read, always.
import type { Example, RowIssue } from '#factory/records/message.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { Stage } from '#factory/records/train-args.ts';
import { ColumnCensus, checkColumns } from './check-columns.ts';
import { countDuplicates, type DatasetNote, notePlaceholders } from './check-content.ts';
import { type ConvertedRow, convertRow, dropRow } from './convert.ts';
import type { DatasetEntry, PlainPath } from './dataset-info.ts';
import { detectFormat } from './detect-format.ts';
import { type DataFile, findFiles } from './find-files.ts';
import type { Columns } from './raw-row.ts';
import { readRows } from './read-rows.ts';
import { encodingOf } from './text-stream.ts';

/** Rows looked at to find out the format of a plain file. */
const DETECTION_ROWS = 100;

export interface DatasetTotals {
  dataset: string;
  use: 'train' | 'eval';
  /** Rows taken from the files, after num_samples and max_samples; a row drawn twice counts twice. */
  read: number;
  used: number;
  dropped: number;
  repaired: number;
  /** Used rows whose content an earlier row of the same data set already had. */
  duplicate: number;
}

export interface LoadedDataset {
  examples: Example[];
  issues: RowIssue[];
  totals: DatasetTotals;
  notes: DatasetNote[];
}

interface LoadOptions {
  stage: Stage;
  use: DatasetTotals['use'];
  maxSamples: number | null;
  seed: string;
}

export async function loadDataset(
  source: DatasetEntry | PlainPath,
  { stage, use, maxSamples, seed }: LoadOptions,
): Promise<LoadedDataset> {
  const isPlain = !('formatting' in source);
  const files = await findFiles(source.path, isPlain ? null : source.split);
  const entry = isPlain ? detectFormat(source, await firstRows(files), stage) : source;
  checkColumns(entry, stage, null);
  const rows = await convertFiles(files, entry, stage, entry.numSamples === null ? maxSamples : null);
  const taken = takeSamples(rows, entry.numSamples, maxSamples, seed);

  const examples = taken.flatMap((row) => (row.example === null ? [] : [row.example]));
  const distinct = new Set(examples);
  const totals: DatasetTotals = {
    dataset: source.name,
    use,
    read: taken.length,
    used: examples.length,
    dropped: taken.length - examples.length,
    repaired: taken.filter((row) => row.example !== null && row.issues.length > 0).length,
    duplicate: countDuplicates([...distinct]),
  };
  const issues = [...new Set(taken)].flatMap((row) => row.issues);
  const notes = notesOf(entry, stage, isPlain, totals, [...distinct]);
  return { examples, issues, totals, notes: [...notes, ...(await noteEncodings(source.name, files))] };
}

/** Encodings other than UTF-8 are found, not declared, so they are said. */
async function noteEncodings(dataset: string, files: readonly DataFile[]): Promise<DatasetNote[]> {
  const notes: DatasetNote[] = [];
  for (const { path, kind } of files) {
    if (kind !== 'json' && kind !== 'csv' && kind !== 'text') continue;
    const encoding = await encodingOf(path);
    if (encoding === 'ascii' || encoding === 'utf-8') continue;
    notes.push({ dataset, kind: 'encoding', count: 1, text: `${path} was read as ${encoding}` });
  }
  return notes;
}

async function convertFiles(
  files: readonly DataFile[],
  entry: DatasetEntry,
  stage: Stage,
  limit: number | null,
): Promise<ConvertedRow[]> {
  const converted: ConvertedRow[] = [];
  const census = new ColumnCensus();
  reading: for (const file of files) {
    for await (const raw of readRows(file)) {
      const source = { dataset: entry.name, file: file.path, row: raw.row };
      if ('problem' in raw) {
        converted.push(dropRow(raw.problem, source));
      } else {
        census.add(raw.columns);
        converted.push(convertRow(raw.columns, entry, stage, source));
      }
      if (converted.length === limit) break reading;
    }
  }
  checkColumns(entry, stage, census);
  return converted;
}

/** num_samples: a permutation's first rows, and draws with replacement beyond the number there is. Then max_samples. */
function takeSamples<T>(rows: T[], numSamples: number | null, maxSamples: number | null, seed: string): T[] {
  let taken = rows;
  if (numSamples !== null && rows.length > 0) {
    const random = seededRandom(`${seed}/samples`);
    taken = random.shuffle(rows).slice(0, numSamples);
    while (taken.length < numSamples) taken.push(rows[random.int(rows.length)]!);
  }
  return maxSamples === null ? taken : taken.slice(0, maxSamples);
}

async function firstRows(files: readonly DataFile[]): Promise<Columns[]> {
  const rows: Columns[] = [];
  for (const file of files) {
    let looked = 0;
    for await (const raw of readRows(file)) {
      if (!('problem' in raw)) rows.push(raw.columns);
      if (++looked === DETECTION_ROWS) break;
    }
    if (rows.length > 0) break;
  }
  return rows;
}

function notesOf(
  entry: DatasetEntry,
  stage: Stage,
  isPlain: boolean,
  totals: DatasetTotals,
  examples: readonly Example[],
): DatasetNote[] {
  const { name: dataset, columns } = entry;
  const notes = notePlaceholders(dataset, examples);
  const note = (kind: DatasetNote['kind'], count: number, text: string) =>
    notes.push({ dataset, kind, count, text });
  if (isPlain) {
    const named = Object.entries(columns).filter(([, column]) => column !== null);
    const mapping = named.map(([key, column]) => `${key}=${column}`).join(', ');
    note('format', totals.read, `format found from the columns: ${entry.formatting} (${mapping})`);
  }
  if (totals.duplicate > 0) {
    note(
      'duplicates',
      totals.duplicate,
      `rows that repeat the content of an earlier row: ${totals.duplicate}`,
    );
  }
  if (stage === 'pt' && columns.response !== null) {
    note(
      'answers_unused',
      totals.used,
      `stage pt trains on "${columns.prompt}" only, not on "${columns.response}"`,
    );
  }
  if (stage === 'sft' && entry.formatting === 'openai' && examples.some((example) => example.tools === '')) {
    note(
      'system_unchanged',
      totals.used,
      'system texts stay as they are: LLaMA-Factory would add "detailed thinking off" to rows without tools',
    );
  }
  return notes;
}
