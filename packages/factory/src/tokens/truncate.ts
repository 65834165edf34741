// In: lengths of sources and targets, and a budget. Out: the lengths that stay. LLaMA-Factory's infer_seqlen
// (data/processor/processor_utils.py) and the loop around it in supervised.py; ids are cut at the tail of each part.

/** How much of a source and a target fits into `cutoff` ids together. */
export function inferSeqlen(source: number, target: number, cutoff: number): [number, number] {
  let targetCap: number;
  if (target * 2 < cutoff) targetCap = cutoff;
  else if (source * 2 < cutoff) targetCap = cutoff - source;
  else targetCap = Math.trunc(cutoff * (target / (source + target)));
  const newTarget = Math.min(targetCap, target);
  const newSource = Math.min(Math.max(cutoff - newTarget, 0), source);
  return [newSource, newTarget];
}

/**
 * The lengths that stay of each turn, in the order given; turns after the budget is spent are missing from the result.
 * `reserved` ids are kept free (the closing eos of efficient_eos templates).
 */
export function fitTurns(
  turns: readonly [number, number][],
  cutoff: number,
  reserved: number,
): [number, number][] {
  const fitted: [number, number][] = [];
  let total = reserved;
  for (const [source, target] of turns) {
    if (total >= cutoff) break;
    const lengths = inferSeqlen(source, target, cutoff - total);
    total += lengths[0] + lengths[1];
    fitted.push(lengths);
  }
  return fitted;
}
