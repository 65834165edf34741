// For tests: how often each decision comes out over seeded pairs of evaluations whose truth is known.
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { Decision } from '#factory/records/verdict.ts';
import { compare } from '../compare/compare.ts';
import { plantedRows, plantedSide } from '../compare/planted-sides.ts';
import { readRules } from './read-rules.ts';
import { verdict } from './verdict.ts';

const SIMULATIONS = 1000;

/**
 * Shares of decisions by the rule "any gain", where each side is right by its own chance; what makes a row hard is common
 * to both. With `business` the goal is a skewed value per row, of which few rows carry much.
 */
export function simulatedVerdicts(
  chances: { base: number; candidate: number },
  rows: number,
  business = false,
): Record<Decision, number> {
  const goal = business ? 'business: net' : 'metric: accuracy';
  const rules = readRules('rules.yaml', `name: t\nminimum_rows: 1\ngoals: [{ ${goal}, gain_at_least: 0 }]\n`);
  const file = { rules, path: 'rules.yaml', sha256: '', modifiedAt: '2026-01-01T00:00:00.000Z' };
  const shares = { ship: 0, do_not_ship: 0, not_enough_evidence: 0 };
  for (let at = 0; at < SIMULATIONS; at++) {
    const random = seededRandom(`verdict/${at}/${rows}/${business}`);
    const shift = Array.from({ length: rows }, () => 0.4 * (random.next() - 0.5));
    const side = (name: string, chance: number) => {
      const right = shift.map((hard) => random.next() < chance + hard);
      const net = right.map((isRight) => (isRight ? 1 : -2) * Math.exp(2 * random.next()));
      const planted = plantedSide(name, plantedRows(right), business ? { business: { net } } : {});
      const metrics = business ? [] : planted.record.metrics.slice(0, 1);
      return { ...planted, record: { ...planted.record, metrics } };
    };
    const [base, candidate] = [side('base', chances.base), side('tuned', chances.candidate)];
    const comparison = compare(
      base,
      candidate,
      {},
      { level: 0.95, resamples: 200, seed: at, method: 'percentile', correction: 'holm', flips: 0 },
    );
    const { decision } = verdict(file, base, candidate, comparison, { version: '1', now: '' });
    shares[decision] += 1 / SIMULATIONS;
  }
  return shares;
}
