// In: examples. Out: the identity of their content: what is trained on, without where it came from.
import { createHash } from 'node:crypto';
import type { Example } from '#factory/records/message.ts';

/** Hex SHA-256 over the rows in order. The same rows from another file give the same hash. */
export function contentHash(examples: readonly Example[]): string {
  const hash = createHash('sha256');
  for (const example of examples) hash.update(`${canonicalRow(example)}\n`, 'utf8');
  return hash.digest('hex');
}

/** A short key of one row's content (128 bits), for counting equal rows without keeping their text. */
export function rowKey(example: Example): string {
  return createHash('sha256').update(canonicalRow(example), 'utf8').digest('base64').slice(0, 22);
}

/** JSON in a fixed order of fields; JSON text has no raw newline, so rows cannot run into each other. */
function canonicalRow({ prompt, response, system, tools }: Example): string {
  const turns = (messages: Example['prompt']) => messages.map(({ role, content }) => [role, content]);
  return JSON.stringify([turns(prompt), turns(response), system, tools]);
}
