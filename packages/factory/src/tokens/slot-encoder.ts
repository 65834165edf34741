// In: slot elements and a tokenizer. Out: their ids, element by element, never joined first: joined text can have other
// ids at the seams.
import { FactoryError } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { SlotElement } from './template-spec.ts';
import { closeTemplates } from './template-table.ts';

type CompiledElement = { ids: number[] } | { text: string };

/** Turns slot elements into ids. Elements without placeholders are tokenised once. */
export class SlotEncoder {
  readonly #tokenizer: TextTokenizer;
  readonly #eosId: number;
  readonly #label: string;

  constructor(tokenizer: TextTokenizer, eosId: number, label: string) {
    this.#tokenizer = tokenizer;
    this.#eosId = eosId;
    this.#label = label;
  }

  compile(elements: readonly SlotElement[]): CompiledElement[] {
    return elements.map((element) => {
      if (typeof element === 'string') {
        return /\{(?:c|idx|name|arguments)\}/.test(element)
          ? { text: element }
          : { ids: this.#tokenizer.encode(element) };
      }
      if ('token' in element) return { ids: [requireToken(this.#tokenizer, element.token, this.#label)] };
      if (element.special === 'eos') return { ids: [this.#eosId] };
      return { ids: this.#tokenizer.bosId === null ? [] : [this.#tokenizer.bosId] };
    });
  }

  append(out: number[], elements: CompiledElement[], values: Record<string, string>): void {
    for (const element of elements) {
      const ids = 'ids' in element ? element.ids : this.#tokenizer.encode(fill(element.text, values));
      for (const id of ids) out.push(id);
    }
  }

  /** The first element as text: what the llama2 kind puts into the user turn. */
  firstText(elements: CompiledElement[], content: string): string {
    const [first] = elements;
    if (!first) return '';
    return 'text' in first ? fill(first.text, { c: content }) : this.#tokenizer.decode(first.ids);
  }

  /** The token that follows the content, if the slots say so. */
  firstTokenAfterContent(elements: CompiledElement[]): number | null {
    const at = elements.findIndex((element) => 'text' in element && element.text.includes('{c}'));
    const element = elements[at];
    if (!element || !('text' in element)) return null;
    const after = element.text.slice(element.text.indexOf('{c}') + 3);
    const ids = after === '' ? [] : this.#tokenizer.encode(after);
    const next = elements[at + 1];
    return ids[0] ?? (next && 'ids' in next ? (next.ids[0] ?? null) : null);
  }
}

function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(c|idx|name|arguments)\}/g, (whole, key: string) => values[key] ?? whole);
}

/** @throws FactoryError TOKENS_VOCABULARY */
export function requireToken(tokenizer: TextTokenizer, token: string, label: string): number {
  const id = tokenizer.tokenToId(token);
  if (id !== null) return id;
  const close = closeTemplates(tokenizer).join(', ');
  throw new FactoryError({
    code: 'TOKENS_VOCABULARY',
    message: `template ${label} needs the token ${JSON.stringify(token)}, which this tokenizer does not have`,
    remedy: `Set template to one that fits this tokenizer (for example ${close} or default).`,
    details: { token },
  });
}
