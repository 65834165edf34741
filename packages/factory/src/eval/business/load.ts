// In: the path of a module with business metrics, and a way to import it. Out: its functions, checked for their form.
// The import is a port: user code is loaded by whoever starts the run, in a process of its own, never by this folder.
import { FactoryError } from '#factory/errors.ts';
import type { MetricDirection, PredictionRow } from '#factory/records/scorecard.ts';

/** A number, or several by name. It may be asynchronous. */
export type BusinessResult = number | Readonly<Record<string, number>>;

/** What a row and the model's answer to it are worth. `row` is frozen; `row.source` is the row of the data set. */
export type BusinessMetric = (
  row: Readonly<PredictionRow>,
  prediction: string,
) => BusinessResult | Promise<BusinessResult>;

export interface BusinessModule {
  path: string;
  /** Name of the export (`business` for the default one) → function. */
  metrics: ReadonlyMap<string, BusinessMetric>;
  /** Name of a value, as `cost` or `calculate_business_impact` → which way is better; `higher` where it is not said. */
  directions: Readonly<Record<string, MetricDirection>>;
}

const DIRECTIONS: readonly unknown[] = ['higher', 'lower', 'none'] satisfies MetricDirection[];

export async function loadBusinessMetrics(
  path: string,
  importModule: (path: string) => Promise<unknown>,
): Promise<BusinessModule> {
  const bad = (problem: string, cause?: unknown): FactoryError =>
    new FactoryError({
      code: 'EVAL_BAD_METRIC_FILE',
      message: `business metrics of ${path}: ${problem}`,
      remedy: 'Export functions of (row, prediction) that return a number or numbers by name.',
      cause,
    });
  let module: unknown;
  try {
    module = await importModule(path);
  } catch (cause) {
    throw bad(`the file cannot be imported: ${(cause as Error)?.message ?? String(cause)}`, cause);
  }
  const { directions = {}, ...exported } = { ...(module as Record<string, unknown>) };
  const metrics = new Map<string, BusinessMetric>();
  for (const [name, value] of Object.entries(exported)) {
    if (typeof value === 'function')
      metrics.set(name === 'default' ? 'business' : name, value as BusinessMetric);
  }
  if (metrics.size === 0) throw bad(`expected exported functions, found ${describeExports(exported)}`);
  if (typeof directions !== 'object' || directions === null) throw bad('`directions` is no object');
  for (const [name, direction] of Object.entries(directions)) {
    if (DIRECTIONS.includes(direction)) continue;
    throw bad(`directions.${name} should be higher, lower or none, and is ${JSON.stringify(direction)}`);
  }
  return { path, metrics, directions: directions as Record<string, MetricDirection> };
}

function describeExports(exported: Record<string, unknown>): string {
  const names = Object.keys(exported);
  return names.length > 0 ? `only ${names.join(', ')}` : 'no export';
}
