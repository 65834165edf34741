// In: two evaluation records. Out: what each model cost, measured once. Latencies are metrics of the rows, not here.
import type { CostFact } from '#factory/records/comparison.ts';
import type { EvaluationRecord } from '#factory/records/evaluation.ts';

export function costFacts(base: EvaluationRecord, candidate: EvaluationRecord): CostFact[] {
  const fact = (
    name: CostFact['name'],
    unit: CostFact['unit'],
    read: (record: EvaluationRecord) => number | null | undefined,
  ): CostFact => ({ name, unit, base: read(base) ?? null, candidate: read(candidate) ?? null });
  const perRow =
    (key: 'seconds' | 'promptTokens' | 'newTokens') =>
    ({ cost, data }: EvaluationRecord): number | null =>
      cost ? cost[key] / data.rows : null;
  return [
    fact('peak_memory', 'bytes', ({ cost }) => cost?.peakMemoryBytes),
    fact('model_size', 'bytes', ({ model }) => model.bytes),
    fact('seconds_per_row', 'seconds', perRow('seconds')),
    fact('prompt_tokens_per_row', 'tokens', perRow('promptTokens')),
    fact('new_tokens_per_row', 'tokens', perRow('newTokens')),
  ].filter(({ base: a, candidate: b }) => a !== null || b !== null);
}
