// In: the slots of a template. Out: the same as a template of Ollama, in Go's text/template, so that Ollama renders what was
// trained. Tools are not in it: their JSON would be written with other spaces than in training.
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { SlotElement, TemplateKind } from './template-spec.ts';

interface OllamaSlots {
  prefix: readonly SlotElement[];
  system: readonly SlotElement[];
  user: readonly SlotElement[];
  assistant: readonly SlotElement[];
  separator: readonly SlotElement[];
  kind: TemplateKind;
  /** The system slots are written without system text too. */
  forceSystem: boolean;
  /** Of a template that knows thoughts: their words, and what the settings of the training do with them. */
  thoughts: { words: readonly [string, string]; enable: boolean; preserve: boolean } | null;
}

/** null where a slot has the number of a turn, for which Go's templates have no arithmetic. */
export function slotsToOllama(slots: OllamaSlots, tokenizer: TextTokenizer, eosId: number): string | null {
  const all = [...slots.prefix, ...slots.system, ...slots.user, ...slots.assistant, ...slots.separator];
  if (all.some((element) => typeof element === 'string' && element.includes('{idx}'))) return null;
  const write = (elements: readonly SlotElement[], content: string) =>
    elements.map((element) => writeElement(element, content, tokenizer, eosId)).join('');

  // A tokenizer that puts bos first does so after rendering.
  const prefix = tokenizer.addsBos ? withoutBos(slots.prefix) : slots.prefix;
  const system = write(slots.system, '{{ $.System }}');
  const isInUserTurn = slots.kind === 'llama2';
  const firstSystem = isInUserTurn ? `{{ if and $.System (not $asked) }}${system}{{ end }}` : '';
  const separator = write(slots.separator, '');
  const needsAsked = isInUserTurn || separator !== '';
  const thoughts = slots.thoughts ? writeThoughts(slots.thoughts, slots.kind) : null;
  return [
    write(prefix, ''),
    isInUserTurn ? '' : slots.forceSystem ? system : `{{ if .System }}${system}{{ end }}`,
    needsAsked ? '{{ $asked := false }}' : '',
    '{{ range .Messages }}{{ if eq .Role "user" }}',
    separator === '' ? '' : `{{ if $asked }}${separator}{{ end }}`,
    write(slots.user, `${firstSystem}{{ .Content }}`),
    needsAsked ? '{{ $asked = true }}' : '',
    '{{ else if eq .Role "assistant" }}',
    thoughts?.history ?? '',
    write(slots.assistant, '{{ .Content }}'),
    '{{ end }}{{ end }}',
    thoughts?.end ?? '',
  ].join('');
}

/**
 * Ollama finds the thought words around `.Thinking` and then parts thoughts from answers, whether or not history shows them. The
 * end is an empty thought: always where training turned thinking off, else when a request does.
 */
function writeThoughts(
  { words, enable, preserve }: NonNullable<OllamaSlots['thoughts']>,
  kind: TemplateKind,
): { history: string; end: string } {
  const [open, close] = words.map(literal);
  const empty = kind === 'glm47' ? close : open + close;
  return {
    history: `{{ if ${preserve ? '.Thinking' : 'false'} }}${open}{{ .Thinking }}${close}{{ end }}`,
    end: enable ? `{{ if and .IsThinkSet (not .Think) }}${empty}{{ end }}` : empty,
  };
}

function withoutBos([first, ...rest]: readonly SlotElement[]): readonly SlotElement[] {
  if (first === undefined) return [];
  return typeof first === 'object' && 'special' in first && first.special === 'bos' ? rest : [first, ...rest];
}

function writeElement(
  element: SlotElement,
  content: string,
  tokenizer: TextTokenizer,
  eosId: number,
): string {
  if (typeof element === 'string') return element.split('{c}').map(literal).join(content);
  if ('token' in element) return literal(element.token);
  const id = element.special === 'bos' ? tokenizer.bosId : eosId;
  return id === null ? '' : literal(tokenizer.idToToken(id) ?? '');
}

/** Ollama's reader of Modelfiles drops what Go does not call printable, and takes three quotes for the end. */
function literal(text: string): string {
  return text.replace(
    /\{\{|"""|[^\n\x20-\x7e\p{L}\p{M}\p{N}\p{P}\p{S}]/gu,
    (part) => `{{ ${goString(part)} }}`,
  );
}

function goString(text: string): string {
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (character === '"' || character === '\\') out += `\\${character}`;
    else if (code >= 0x20 && code < 0x7f) out += character;
    else out += code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  }
  return `"${out}"`;
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0');
