// In: the flat metrics of one phase. Out: `<phase>_results.json`, and the same merged into `all_results.json`, where a
// later phase adds its keys and replaces its own older ones.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { pythonJson } from './python-json.ts';

export type Phase = 'train' | 'eval' | 'predict';
export type Metrics = Record<string, number | string>;

export const ALL_RESULTS_FILE = 'all_results.json';

/** Counts stay integers; every other metric is a float in the Python trainers. */
const INTEGER_KEYS = /^(num_input_tokens_seen|total_tokens|(train|eval|predict)_samples|step)$/;

export async function writeResults(outputDir: string, phase: Phase, metrics: Metrics): Promise<void> {
  await writeAtomic(join(outputDir, `${phase}_results.json`), formatResults(metrics));
  const all = { ...(await readResults(outputDir)), ...metrics };
  await writeAtomic(join(outputDir, ALL_RESULTS_FILE), formatResults(all));
}

/** `all_results.json` as it is; empty where it is absent or is not a JSON object. */
export async function readResults(outputDir: string): Promise<Metrics> {
  const path = join(outputDir, ALL_RESULTS_FILE);
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as unknown;
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Metrics) : {};
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return {};
    throw diskError(error, 'read', path);
  }
}

export function formatResults(metrics: Metrics): string {
  const floatKeys = new Set(Object.keys(metrics).filter((key) => !INTEGER_KEYS.test(key)));
  return pythonJson(metrics, { indent: 4, sortKeys: true, floatKeys });
}
