// In: nothing. Out: what counts as personal data here, and what a finder gives: where it is and what kind it is.

/** In the order in which overlapping finds win. */
export const ENTITY_KINDS = [
  'api_key',
  'url',
  'email',
  'resident_id',
  'uscc',
  'iban',
  'bank_card',
  'ip',
  'ssn',
  'phone',
  'plate',
  'name',
] as const;

export type EntityKind = (typeof ENTITY_KINDS)[number];

export interface Entity {
  kind: EntityKind;
  /** UTF-16 positions. */
  start: number;
  end: number;
  /** The same for every way of writing the same thing, such as a number with and without spaces. */
  value: string;
}
