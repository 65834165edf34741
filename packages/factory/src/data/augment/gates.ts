// In: candidates in their order, and what is known already. Out: which are taken, and at which gate each other one failed.
// Gates come cheapest first. Nothing is asked of a model here: judgements are handed in.
import type { GateLimits } from '#factory/records/gate-limits.ts';
import { exactKey } from '../dedup/exact-key.ts';
import type { SealedTest } from '../split/sealed-test.ts';
import { numbersOf } from './mask.ts';
import { type ModelMethod, mainScript } from './model-variants.ts';
import type { TextMethod } from './text-variants.ts';

export type Method = TextMethod | ModelMethod;

export const GATES = [
  ...(['marks', 'empty', 'same', 'numbers', 'names', 'language', 'similarity'] as const),
  ...(['duplicate', 'sealed', 'judge', 'parent_cap', 'label_cap'] as const),
] as const;

export type Gate = (typeof GATES)[number];

/** Jaccard of three-character shingles of the two texts, spaces and signs included. */
export function similarity(a: string, b: string): number {
  const set = (text: string) => {
    const key = exactKey(text);
    const grams = new Set<string>();
    for (let i = 0; i + 3 <= Math.max(3, key.length); i++) grams.add(key.slice(i, i + 3));
    return grams;
  };
  const [x, y] = [set(a), set(b)];
  let shared = 0;
  for (const gram of x) if (y.has(gram)) shared++;
  return shared / (x.size + y.size - shared);
}

/** What can be said about one variant by itself; null when it passes. Words of `names` that the text has must stay. */
export function checkVariant(
  text: string,
  variant: string,
  method: Method,
  names: readonly string[],
  limits: GateLimits,
): Gate | null {
  if (variant.trim() === '') return 'empty';
  if (variant === text) return 'same';
  const isSpelled = method === 'number';
  if (!isSpelled && numbersOf(variant).join() !== numbersOf(text).join()) return 'numbers';
  if (names.some((name) => name !== '' && text.includes(name) && !variant.includes(name))) return 'names';
  if (method === 'back_translation' || method === 'paraphrase') {
    if (mainScript(variant) !== mainScript(text)) return 'language';
    const found = similarity(text, variant);
    if (found < limits.leastSimilarity || found > limits.mostSimilarity) return 'similarity';
  }
  return null;
}

export interface Candidate {
  parent: number;
  label: string;
  text: string;
  /** The gate at which it failed before; null while it is good. */
  gate: Gate | null;
}

/** Decides in order: what is new, not in the sealed test, and within the caps. Changes `gate` of those that fail. */
export function applyCaps(
  candidates: readonly Candidate[],
  known: Iterable<string>,
  labelRows: ReadonlyMap<string, number>,
  seal: SealedTest | null,
  limits: GateLimits,
): void {
  const seen = new Set<string>();
  for (const text of known) seen.add(exactKey(text));
  const perParent = new Map<number, number>();
  const perLabel = new Map<string, number>();
  for (const candidate of candidates) {
    if (candidate.gate !== null) continue;
    const { parent, label } = candidate;
    const key = exactKey(candidate.text);
    const children = perParent.get(parent) ?? 0;
    const synthetic = perLabel.get(label) ?? 0;
    const real = labelRows.get(label) ?? 0;
    if (seen.has(key)) candidate.gate = 'duplicate';
    else if (seal?.nearest(candidate.text)) candidate.gate = 'sealed';
    else if (children >= limits.perParent) candidate.gate = 'parent_cap';
    else if (synthetic + 1 > limits.labelShare * (real + synthetic + 1)) candidate.gate = 'label_cap';
    if (candidate.gate !== null) continue;
    seen.add(key);
    perParent.set(parent, children + 1);
    perLabel.set(label, synthetic + 1);
  }
}
