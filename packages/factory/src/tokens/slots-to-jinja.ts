// In: the slots of a template. Out: a Jinja chat template for the saved tokenizer, so that servers render what was
// trained. Tools, observations and thoughts are not in it.
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { SlotElement, TemplateKind } from './template-spec.ts';

interface JinjaSlots {
  prefix: readonly SlotElement[];
  system: readonly SlotElement[];
  user: readonly SlotElement[];
  assistant: readonly SlotElement[];
  separator: readonly SlotElement[];
  defaultSystem: string;
  kind: TemplateKind;
}

/** null where a slot names a token in a way that Jinja text cannot. */
export function slotsToJinja(slots: JinjaSlots, tokenizer: TextTokenizer, eosId: number): string | null {
  const expression = (elements: readonly SlotElement[], placeholder: string) =>
    slotExpression(elements, placeholder, tokenizer, eosId);
  const prefix = expression(slots.prefix, 'content');
  const system = expression(slots.system, 'system_message');
  const user = expression(slots.user, 'content');
  const assistant = expression([...slots.assistant, ...slots.separator], 'content');
  if (prefix === null || system === null || user === null || assistant === null) return null;

  let out = prefix === '' ? '' : `{{ ${prefix} }}`;
  if (slots.defaultSystem) out += `{% set system_message = ${literal(slots.defaultSystem)} %}`;
  out +=
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}" +
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}";
  if (slots.kind !== 'llama2') out += `{% if system_message is defined %}{{ ${system} }}{% endif %}`;
  out += '{% for message in loop_messages %}';
  out +=
    slots.kind === 'llama2'
      ? `{% if loop.index0 == 0 and system_message is defined %}{% set content = ${system} + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}`
      : "{% set content = message['content'] %}";
  return `${out}{% if message['role'] == 'user' %}{{ ${user} }}{% elif message['role'] == 'assistant' %}{{ ${assistant} }}{% endif %}{% endfor %}`;
}

/** Slot elements joined by `+`: the tokens by their text, since `eos_token` may be another one later. */
function slotExpression(
  elements: readonly SlotElement[],
  placeholder: string,
  tokenizer: TextTokenizer,
  eosId: number,
): string | null {
  const items: string[] = [];
  for (const element of elements) {
    if (typeof element === 'string') {
      if (element.includes('{idx}')) return null;
      const [before = '', after] = element.split('{c}');
      if (before) items.push(literal(before));
      if (after !== undefined) items.push(placeholder);
      if (after) items.push(literal(after));
    } else if ('token' in element) {
      return null;
    } else {
      const id = element.special === 'bos' ? tokenizer.bosId : eosId;
      const text = id === null ? null : tokenizer.idToToken(id);
      if (text !== null) items.push(literal(text));
    }
  }
  return items.join(' + ');
}

function literal(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;
}
