// In: text and kinds. Out: what personal data it has, in order and without overlaps: where two finds overlap, the kind that
// stands first in ENTITY_KINDS wins, then the longer. Numbers within addresses of pages are parts of them.
import { ENTITY_KINDS, type Entity, type EntityKind } from './entity.ts';
import { findAddresses, findKeys, mayHaveAddresses, mayHaveKeys } from './find-addresses.ts';
import { findNames } from './find-names.ts';
import { findNumbers, mayHaveNumbers } from './find-numbers.ts';
import { findPhones } from './find-phones.ts';

export interface FindOptions {
  kinds: ReadonlySet<EntityKind>;
  /** ISO codes of countries whose numbers may stand without a country code, the likeliest first. */
  countries: readonly string[];
}

const RANK = new Map(ENTITY_KINDS.map((kind, index) => [kind, index]));

export function findEntities(text: string, { kinds, countries }: FindOptions): Entity[] {
  const found: Entity[] = [];
  const add = (kind: EntityKind, start: number, end: number, value: string) =>
    found.push({ kind, start, end, value });
  if (mayHaveAddresses(text)) findAddresses(text, add);
  if (kinds.has('api_key') && mayHaveKeys(text)) findKeys(text, add);
  if (mayHaveNumbers(text)) {
    findNumbers(text, add);
    if (kinds.has('phone')) findPhones(text, countries, add);
  }
  if (kinds.has('name')) findNames(text, add);
  if (found.length === 0) return found;
  // Kinds that are not asked for still take their place: an ID is no phone number.
  return withoutOverlaps(found).filter(({ kind }) => kinds.has(kind));
}

function withoutOverlaps(found: Entity[]): Entity[] {
  found.sort((a, b) => RANK.get(a.kind)! - RANK.get(b.kind)! || b.end - b.start - (a.end - a.start));
  const kept: Entity[] = [];
  for (const entity of found) {
    if (!kept.some(({ start, end }) => entity.start < end && start < entity.end)) kept.push(entity);
  }
  return kept.sort((a, b) => a.start - b.start);
}
