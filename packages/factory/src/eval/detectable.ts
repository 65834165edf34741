// In: how many rows there are, and the metrics. Out: the smallest difference that a comparison of two models on these rows
// would show, told before anything runs.
import type { MetricRequest, Scorecard } from '#factory/records/evaluation.ts';
import { METRICS } from './metrics/registry.ts';
import { detectablePairedMeans, detectablePairedProportions } from './statistics/power.ts';
import { wilsonInterval } from './statistics/wilson.ts';

/** The custom: a false alarm in 20, and four differences of five seen. */
const SETTINGS = { alpha: 0.05, power: 0.8 };
/** Share of rows on which one of two models is right and the other wrong; unknown before the run. */
const DISCORDANT = 0.2;

export interface Detectable {
  record: Scorecard['detectable'];
  /** In words. */
  text: string;
}

/** `units`: rows, or clusters where rows are not independent. */
export function detectableEffect(units: number, requests: readonly MetricRequest[]): Detectable {
  const isShare = requests.some(({ name }) => METRICS[name].range[0] === 0 && METRICS[name].range[1] === 1);
  const deviations = detectablePairedMeans(units, 1, SETTINGS).toFixed(2);
  if (!isShare)
    return {
      record: null,
      text: `${units} rows show a mean difference between two models from ${deviations} standard deviations of the rows' differences on (80 % power, 5 % level)`,
    };
  const delta = detectablePairedProportions(units, DISCORDANT, SETTINGS);
  const { low, high } = wilsonInterval(units / 2, units, 0.95);
  const half = ((100 * (high - low)) / 2).toFixed(1);
  const seen =
    delta === null
      ? `no difference between two models that differ on ${100 * DISCORDANT} % of the rows`
      : `a difference between two models from ${(100 * delta).toFixed(1)} points on (where they differ on ${100 * DISCORDANT} % of the rows)`;
  return {
    record: { ...SETTINGS, discordant: DISCORDANT, delta },
    text: `${units} rows show ${seen}, with 80 % power at the 5 % level; the interval of a share is up to ±${half} points`,
  };
}
