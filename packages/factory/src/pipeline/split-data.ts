// In: data files and the shares of the parts. Out: a folder with one file per part, dataset_info.json, the seal of the test
// part, and a certificate that says what ties rows together and that no tie crosses parts. Rows are written as they were read.
import { join } from 'node:path';
import { readInput } from '#factory/data/clean-input.ts';
import type { RecipeInput } from '#factory/data/clean-recipe.ts';
import type { DatasetEntry } from '#factory/data/dataset-info.ts';
import { rowSides } from '#factory/data/dedup/row-sides.ts';
import { describeInputs } from '#factory/data/describe-inputs.ts';
import type { RawRow } from '#factory/data/raw-row.ts';
import { readRows } from '#factory/data/read-rows.ts';
import { toJson } from '#factory/data/row-fields.ts';
import { RowStore } from '#factory/data/row-store.ts';
import { assignGroups } from '#factory/data/split/assign-groups.ts';
import { contentId } from '#factory/data/split/content-id.ts';
import { type CrossCheck, crossCheck } from '#factory/data/split/cross-check.ts';
import { infoEntry } from '#factory/data/split/info-entry.ts';
import { LEAKAGE, leakageGroups } from '#factory/data/split/leakage-groups.ts';
import { SEAL_FILE, sealTest } from '#factory/data/split/sealed-test.ts';
import { strataOf } from '#factory/data/split/strata.ts';
import { FactoryError, invariant } from '#factory/errors.ts';
import { rowToJson } from '#factory/records/clean-row.ts';
import type { InputFile } from '#factory/records/ledger.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';

export interface SplitOptions {
  outputDir: string;
  testSize: number;
  valSize: number;
  seed: number;
  stratifyBy: string | null;
  groupBy: readonly string[];
  threshold: number;
}

export interface SplitDeps {
  signal: AbortSignal;
  progress(done: number, total: number): void;
}

export interface Certificate {
  seed: number;
  threshold: number;
  files: InputFile[];
  rows: number;
  unreadable: Record<string, number>;
  parts: Record<string, { rows: number; share: number; wanted: number; labels: Record<string, number> }>;
  stratified_by: string;
  groups: number;
  largest_group: number;
  /** Rows that each kind of tie brought into a group of others. */
  ties: Record<string, number>;
  /** Ties that cross parts; all zero. */
  crossing: CrossCheck;
  seal: { file: string; sha256: string; rows: number } | null;
}

const MAX_CHECKS = 8;
export const CERTIFICATE_FILE = 'leakage-certificate.json';

export async function splitData(
  inputs: readonly string[],
  options: SplitOptions,
  deps: SplitDeps,
): Promise<Certificate> {
  const { seed, threshold, groupBy } = options;
  const shares = sharesOf(options);
  const read = await readAll(inputs, deps);
  const { rows, raw } = read;
  if (rows.count === 0)
    throw new FactoryError({
      code: 'DATA_NO_ROWS',
      message: `${inputs.join(', ')}: no row can be used`,
      remedy: 'Give files with rows; clean and export files of other columns first.',
    });
  const near = { ...LEAKAGE.near, threshold, seed };
  const { groups, ties, common } = await leakageGroups(
    rows,
    { ...LEAKAGE, near, columns: groupBy },
    async (done, total) => {
      deps.progress(done, total);
      await turn(deps.signal);
    },
  );
  const strata = strataOf(rows, options.stratifyBy);
  // Every check looks with other hash functions; what it finds torn is joined, and the split made again.
  let all = groups.groups(1);
  let parts = assignGroups(all, strata.label, shares, seed);
  let crossing = crossCheck(rows, parts, groupBy, { ...near, common, seed: seed + 1 });
  for (let round = 2; crossing.torn.length > 0 && round <= MAX_CHECKS; round++) {
    for (const group of crossing.torn) {
      for (const row of group) groups.join(group[0]!, row);
      ties.near_prompt = (ties.near_prompt ?? 0) + group.length - 1;
    }
    all = groups.groups(1);
    parts = assignGroups(all, strata.label, shares, seed);
    crossing = crossCheck(rows, parts, groupBy, { ...near, common, seed: seed + round });
  }

  const info: Record<string, unknown> = {};
  const counts: Certificate['parts'] = {};
  for (const { name, share } of shares) {
    if (share === 0) continue;
    const members = parts.flatMap((part, row) => (part === name ? [row] : []));
    await writeAtomic(join(options.outputDir, `${name}.jsonl`), linesOf(raw, members));
    info[name] = infoEntry(read.entry!, `${name}.jsonl`);
    const labels: Record<string, number> = {};
    if (strata.by !== 'none')
      for (const row of members) labels[strata.label(row)] = (labels[strata.label(row)] ?? 0) + 1;
    counts[name] = { rows: members.length, share: members.length / rows.count, wanted: share, labels };
  }
  await writeAtomic(join(options.outputDir, 'dataset_info.json'), `${JSON.stringify(info, null, 2)}\n`);

  let seal: Certificate['seal'] = null;
  if (options.testSize > 0) {
    const prompts = parts.flatMap((part, row) =>
      part === 'test' ? [rowSides(rows.row(row), 'prompt').prompt ?? ''] : [],
    );
    const sealed = sealTest(prompts, seed, { ...near, common });
    const { sha256 } = await writeAtomic(join(options.outputDir, SEAL_FILE), `${JSON.stringify(sealed)}\n`);
    seal = { file: SEAL_FILE, sha256, rows: prompts.length };
  }
  const certificate: Certificate = {
    ...{ seed, threshold, files: read.files, rows: rows.count, unreadable: read.unreadable, parts: counts },
    ...{ stratified_by: strata.by, groups: all.length },
    largest_group: Math.max(...all.map((group) => group.length)),
    ...{ ties, crossing: crossing.counts, seal },
  };
  await writeAtomic(join(options.outputDir, CERTIFICATE_FILE), `${JSON.stringify(certificate, null, 2)}\n`);
  return certificate;
}

function sharesOf({ testSize, valSize }: SplitOptions): { name: string; share: number }[] {
  if (testSize + valSize >= 1 || testSize + valSize <= 0)
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `test_size ${testSize} and val_size ${valSize}: together they must be above 0 and below 1`,
      remedy: 'Write shares such as --test_size 0.1 --val_size 0.1.',
    });
  return [
    { name: 'train', share: 1 - testSize - valSize },
    { name: 'val', share: valSize },
    { name: 'test', share: testSize },
  ];
}

/** Formats are found from column names; other names are mapped by cleaning and exporting first. */
export const AS_IT_IS: RecipeInput = {
  format: null,
  kind: null,
  read_as: null,
  columns: null,
  derive: {},
  values: {},
};

async function readAll(inputs: readonly string[], deps: SplitDeps) {
  const plan = await describeInputs(inputs, AS_IT_IS);
  const rows = new RowStore();
  const raw = new RowStore();
  const unreadable: Record<string, number> = {};
  let entry: DatasetEntry | null = null;
  for (const [at, source] of plan.sources.entries()) {
    const format = plan.formats[at];
    if (!format) continue;
    entry ??= format.entry;
    checkSameFormat(entry, format.entry);
    // The same records twice, side by side: as they were read, and as canonical rows.
    const records = readRows(source)[Symbol.asyncIterator]();
    for await (const row of readInput(source, format, AS_IT_IS)) {
      const record = (await records.next()).value as RawRow | undefined;
      if (row.clean === null) unreadable[row.reason] = (unreadable[row.reason] ?? 0) + 1;
      else {
        invariant(record !== undefined && !('problem' in record), 'both readings give the same records');
        const id = contentId(row.clean);
        rows.append(rowToJson(row.clean), id);
        raw.append(toJson(record.columns) ?? '{}', id);
      }
      if (rows.count % 4096 === 0) {
        deps.progress(rows.count, (plan.rows ?? rows.count) * 2);
        await turn(deps.signal);
      }
    }
  }
  return { rows, raw, entry, files: plan.files, unreadable };
}

/** One file per part holds rows of all inputs, so all inputs must mean the same by their columns. */
function checkSameFormat(first: DatasetEntry, other: DatasetEntry): void {
  const meaning = ({ formatting, columns, tags, ranking }: DatasetEntry) =>
    JSON.stringify([formatting, columns, tags, ranking]);
  if (meaning(first) === meaning(other)) return;
  throw new FactoryError({
    code: 'DATA_UNSUPPORTED_FORMAT',
    message: `${first.path} and ${other.path} name their columns differently, so their rows cannot share a file`,
    remedy: 'Clean and export them together first: tunesmith data clean, then tunesmith data export.',
  });
}

function* linesOf(raw: RowStore, members: readonly number[]): Generator<Buffer> {
  for (let at = 0; at < members.length; at += 1024)
    yield Buffer.from(
      members
        .slice(at, at + 1024)
        .map((row) => `${raw.json(row)}\n`)
        .join(''),
    );
}

async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal.aborted)
    throw new FactoryError({
      code: 'DATA_INTERRUPTED',
      message: 'splitting was stopped; nothing was written',
      remedy: 'Give the same command again.',
    });
}
