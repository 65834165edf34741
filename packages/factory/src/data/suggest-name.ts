// In: a name that matched nothing, and the names that would have. Out: the nearest of them as text for an error.
import { distance } from 'fastest-levenshtein';

/** The candidate nearest to `name`, or null when none is near enough to be a likely slip. */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  const wanted = name.toLowerCase().slice(0, 200);
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const d = distance(wanted, candidate.toLowerCase().slice(0, 200));
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

/** `Did you mean "x"?` with a leading space, or nothing. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const nearest = nearestName(name, candidates);
  return nearest === null ? '' : ` Did you mean "${nearest}"?`;
}

/** Up to `limit` names in quotes, with a count of the rest. */
export function listNames(names: readonly string[], limit = 8): string {
  const shown = names.slice(0, limit).map((name) => `"${clip(name, 60)}"`);
  const rest = names.length - shown.length;
  return shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Shortens `text` to one line of at most `limit` characters, for messages. */
export function clip(text: string, limit = 80): string {
  const line = text.slice(0, limit * 2).replace(/\s+/g, ' ');
  return line.length <= limit && text.length <= limit * 2 ? line : `${line.slice(0, limit - 1)}…`;
}
