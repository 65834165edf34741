// In: names of data sets or paths, and whether rows are read by their format or as bare columns. Out: rows with all of their
// columns, the files that they came from, and how many could not be used.
import { FactoryError } from '#factory/errors.ts';
import type { Example, RowSource } from '#factory/records/message.ts';
import { findDataset, readDatasetInfo } from './dataset-info.ts';
import { type DataFile, findFiles } from './find-files.ts';
import { loadDatasets } from './load-datasets.ts';
import type { Columns } from './raw-row.ts';
import { readRows } from './read-rows.ts';

export interface EvaluationItem {
  source: RowSource;
  columns: Columns;
  /** Null where rows are read as bare columns. */
  example: Example | null;
}

export interface EvaluationRows {
  items: EvaluationItem[];
  files: string[];
  dropped: number;
  notes: string[];
}

export interface EvaluationSource {
  names: readonly string[];
  dataset_dir: string;
  max_dropped_fraction: number;
  seed: number;
  /** By the data set's format, or bare columns for prompts of one's own. */
  read: 'examples' | 'columns';
}

export async function loadEvaluation(source: EvaluationSource): Promise<EvaluationRows> {
  const rows = source.read === 'examples' ? await readExamples(source) : await readColumns(source);
  if (rows.items.length === 0)
    throw new FactoryError({
      code: 'DATA_NO_ROWS',
      message: `${source.names.join(', ')}: there is no row to evaluate`,
      remedy: 'Name a data set or a file with rows.',
    });
  return rows;
}

async function readExamples(source: EvaluationSource): Promise<EvaluationRows> {
  const data = await loadDatasets({
    dataset: [],
    eval_dataset: [...source.names],
    dataset_dir: source.dataset_dir,
    mix_strategy: 'concat',
    interleave_probs: null,
    max_samples: null,
    val_size: 0,
    sealed_test: null,
    max_dropped_fraction: source.max_dropped_fraction,
    stage: 'sft',
    seed: source.seed,
  });
  const examples = Object.values(data.evaluation).flat();
  const files = [...new Set(examples.map((example) => example.source.file))];
  // Examples have no columns; business metrics and slices want them.
  const columns = new Map<string, Map<number, Columns>>();
  for (const file of files) columns.set(file, await columnsOf(file));
  return {
    items: examples.map((example) => ({
      source: example.source,
      columns: columns.get(example.source.file)?.get(example.source.row) ?? {},
      example,
    })),
    files,
    dropped: data.totals.reduce((sum, { dropped }) => sum + dropped, 0),
    notes: data.notes.map(({ dataset, text }) => `${dataset}: ${text}`),
  };
}

async function columnsOf(path: string): Promise<Map<number, Columns>> {
  const rows = new Map<number, Columns>();
  for (const file of await findFiles(path))
    for await (const raw of readRows(file)) if ('columns' in raw) rows.set(raw.row, raw.columns);
  return rows;
}

async function readColumns({ names, dataset_dir }: EvaluationSource): Promise<EvaluationRows> {
  const info = await readDatasetInfo(dataset_dir);
  const items: EvaluationItem[] = [];
  const files: string[] = [];
  let dropped = 0;
  for (const name of names) {
    const found = findDataset(name.trim(), info);
    const parts = await findFiles(found.path, 'formatting' in found ? found.split : null);
    for (const file of parts) {
      files.push(file.path);
      dropped += await addColumns(file, found.name, items);
    }
  }
  return { items, files, dropped, notes: [] };
}

/** Returns how many rows were none. */
async function addColumns(file: DataFile, dataset: string, items: EvaluationItem[]): Promise<number> {
  let dropped = 0;
  for await (const raw of readRows(file)) {
    if ('problem' in raw) dropped++;
    else
      items.push({
        source: { dataset, file: file.path, row: raw.row },
        columns: raw.columns,
        example: null,
      });
  }
  return dropped;
}
