// In: the folder of an export and the name of a data set in it. Out: how many rows the trainer's own reader takes from it, how
// many it drops, and a hash of their content. This is what makes "rows exported = rows trained on" a checked promise.
import { createHash } from 'node:crypto';
import { type CleanRow, type RowKind, rowToJson } from '#factory/records/clean-row.ts';
import { STAGE_OF_KIND } from './clean-input.ts';
import { convertRow } from './convert.ts';
import { findDataset, readDatasetInfo } from './dataset-info.ts';
import { findFiles } from './find-files.ts';
import { readRows } from './read-rows.ts';

export interface DryLoad {
  used: number;
  dropped: number;
  /** The first reason why a row was dropped. */
  problem: string | null;
  sha256: string;
}

/** The identity of rows in their order, without the columns that play no part in training. */
export function contentHasher() {
  const hash = createHash('sha256');
  return {
    add: (row: CleanRow) => hash.update(`${rowToJson({ ...row, extra: {} })}\n`),
    digest: () => hash.digest('hex'),
  };
}

export async function dryLoad(folder: string, name: string, kind: RowKind): Promise<DryLoad> {
  const entry = findDataset(name, await readDatasetInfo(folder));
  const content = contentHasher();
  const load: DryLoad = { used: 0, dropped: 0, problem: null, sha256: '' };
  if (!('formatting' in entry)) return { ...load, problem: `${name} is not in dataset_info.json` };
  for (const file of await findFiles(entry.path)) {
    for await (const raw of readRows(file)) {
      const source = { dataset: name, file: file.path, row: raw.row };
      const converted = 'problem' in raw ? null : convertRow(raw.columns, entry, STAGE_OF_KIND[kind], source);
      if (converted === null || converted.example === null) {
        load.dropped++;
        const issue = 'problem' in raw ? raw.problem : converted?.issues[0];
        load.problem ??= `row ${raw.row + 1}: ${issue?.reason}: ${issue?.detail}`;
        continue;
      }
      const { system, tools, prompt, response } = converted.example;
      content.add({ kind, system, tools, prompt, response, extra: {} });
      load.used++;
    }
  }
  return { ...load, sha256: content.digest() };
}
