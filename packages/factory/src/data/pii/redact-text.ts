// In: a text and a key. Out: the text with made-up data in place of personal data, the same for the same under that key. Names
// and addresses of pages stay, as in cleaning, where they must be asked for.
import { ENTITY_KINDS } from './entity.ts';
import { findEntities } from './find-entities.ts';
import { surrogateOf } from './surrogates.ts';

const kinds = new Set(ENTITY_KINDS.filter((kind) => kind !== 'url' && kind !== 'name'));
const countries = ['CN', 'US'];

export function redactText(text: string, key: string): { text: string; found: number } {
  const entities = findEntities(text, { kinds, countries });
  let out = '';
  let done = 0;
  for (const entity of entities) {
    out += text.slice(done, entity.start) + surrogateOf(entity, text.slice(entity.start, entity.end), key);
    done = entity.end;
  }
  return { text: out + text.slice(done), found: entities.length };
}
