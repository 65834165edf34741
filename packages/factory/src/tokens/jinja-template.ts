// In: the Jinja chat template of a tokenizer. Out: the same conversation format as slots, so that sources and targets
// can be told apart. Conversations with placeholders are rendered and their parts read off; what does not come apart
// into slots is refused, and prove-template.ts compares the result with the original on real rows.
import { createHash } from 'node:crypto';
import { Template } from '@huggingface/jinja';
import { FactoryError } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { BOS, type SlotElement, type TemplateSpec } from './template-spec.ts';
import { closeTemplates } from './template-table.ts';

export interface JinjaMessage {
  role: string;
  content: string;
  tool_calls?: unknown;
  tool_call_id?: string;
}

export interface RenderOptions {
  addGenerationPrompt: boolean;
  /** What `strftime_now` gives, whatever the format: a template must not change with the day. */
  date: string;
  tools?: unknown;
  enableThinking?: boolean | null;
}

/** The tokenizer's chat template for a conversation. Throws what Jinja throws. */
export function renderChat(
  tokenizer: TextTokenizer,
  messages: JinjaMessage[],
  options: RenderOptions,
): string {
  const text = (id: number | null) => (id === null ? '' : (tokenizer.idToToken(id) ?? ''));
  return compile(tokenizer.chatTemplate ?? '').render({
    messages,
    add_generation_prompt: options.addGenerationPrompt,
    bos_token: text(tokenizer.bosId),
    eos_token: text(tokenizer.eosId),
    pad_token: text(tokenizer.padId),
    unk_token: '',
    fixed_date: () => options.date,
    ...(options.tools ? { tools: options.tools } : {}),
    ...(typeof options.enableThinking === 'boolean' ? { enable_thinking: options.enableThinking } : {}),
  });
}

/** Parsing takes longer than rendering, and one process sees few templates. */
const compiled = new Map<string, Template>();

function compile(source: string): Template {
  const key = createHash('sha256').update(source).digest('hex');
  const known = compiled.get(key);
  if (known) return known;
  // Jinja's own strftime_now cannot be passed in; the empty print keeps a line break at the start of the source.
  const template = new Template(`{% set strftime_now = fixed_date %}{{ '' }}${source}`);
  compiled.set(key, template);
  return template;
}

// Placeholders survive trimming and case rules of templates.
const SYSTEM = 'Qsystemq';
const USER = 'Quserq';
const ANSWER = 'Qanswerq';
const NEXT = 'Qnextq';

/**
 * The slots of the tokenizer's own chat template, as LLaMA-Factory's parse_template finds them; templates that write a
 * fixed header, a date or the system text inside the user turn come apart too.
 * @throws FactoryError TOKENS_BAD_TEMPLATE when the format does not come apart, TOKENS_UNKNOWN_TEMPLATE without one
 */
export function deriveTemplateSpec(tokenizer: TextTokenizer, date: string): TemplateSpec {
  if (tokenizer.chatTemplate === null) {
    throw new FactoryError({
      code: 'TOKENS_UNKNOWN_TEMPLATE',
      message: 'the tokenizer has no chat template, and template is not set',
      remedy: `Set template to ${closeTemplates(tokenizer).join(' or ')}.`,
    });
  }
  const render = (messages: [string, string][], addGenerationPrompt: boolean) =>
    renderChat(
      tokenizer,
      messages.map(([role, content]) => ({ role, content })),
      { addGenerationPrompt, date },
    );
  const attempt = (messages: [string, string][], addGenerationPrompt: boolean): string | null => {
    try {
      return render(messages, addGenerationPrompt);
    } catch {
      return null;
    }
  };
  const first: [string, string] = ['user', USER];
  let prompt: string;
  let answered: string;
  let next: string;
  try {
    prompt = render([first], true);
    answered = render([first, ['assistant', ANSWER]], false);
    next = render([first, ['assistant', ANSWER], ['user', NEXT]], true);
  } catch (cause) {
    throw notSlots(tokenizer, `it cannot be rendered: ${(cause as Error).message}`, cause);
  }

  if (!answered.startsWith(prompt)) {
    throw notSlots(tokenizer, 'an answered conversation does not start with its generation prompt');
  }
  const assistantText = answered.slice(prompt.length);
  const [assistantHead, assistantTail] = cut(assistantText, ANSWER) ?? [];
  if (assistantHead === undefined || assistantTail === undefined) {
    throw notSlots(tokenizer, 'the answer does not occur once in the assistant turn');
  }
  const isReasoning = assistantHead.includes('<think>');
  const plainHead = isReasoning
    ? assistantHead.replace('<think>', '').replace('</think>', '').replace(/^\n+/, '')
    : assistantHead;

  const afterAnswer = cut(next, ANSWER)?.[1];
  if (!afterAnswer?.startsWith(assistantTail)) {
    throw notSlots(tokenizer, 'an answer ends otherwise when another turn follows');
  }
  const user = cut(afterAnswer.slice(assistantTail.length), NEXT);
  const firstTurn = user && user[0] + USER + user[1];
  if (!firstTurn || !prompt.endsWith(firstTurn)) {
    throw notSlots(tokenizer, 'the first user turn and later ones are written differently');
  }
  const [userHead, userTail] = user;
  const head = prompt.slice(0, prompt.length - firstTurn.length);

  const spec: TemplateSpec = {
    user: `${userHead}{c}${userTail}`,
    assistant: `${plainHead}{c}${assistantTail}`,
    kind: isReasoning ? 'reasoning' : 'plain',
    ...systemParts(attempt([['system', SYSTEM], first], true), head, userHead, userTail),
  };
  const trimmed: NonNullable<TemplateSpec['trimmed']>[number][] = [];
  if (attempt([['user', ` \n${USER}\n `]], true) === prompt) trimmed.push('user');
  if (attempt([first, ['assistant', ` \n${ANSWER}\n `]], false) === answered) trimmed.push('assistant');
  const withSystem = attempt([['system', SYSTEM], first], true);
  if (withSystem !== null && attempt([['system', ` \n${SYSTEM}\n `], first], true) === withSystem)
    trimmed.push('system');
  if (trimmed.length > 0) spec.trimmed = trimmed;
  return separateBos(spec, tokenizer);
}

/** Where the system text stands: after the prefix, in a header that is always there, or inside the first user turn. */
function systemParts(
  withSystem: string | null,
  head: string,
  userHead: string,
  userTail: string,
): TemplateSpec {
  const fallback: TemplateSpec = { prefix: head };
  if (withSystem === null) return fallback;
  const turn = userHead + USER + userTail;
  if (withSystem.endsWith(turn)) {
    const parts = cut(withSystem.slice(0, withSystem.length - turn.length), SYSTEM);
    if (!parts) return fallback;
    const [before, after] = parts;
    if (before.startsWith(head)) return { prefix: head, system: `${before.slice(head.length)}{c}${after}` };
    if (before + after === head) return { system: `${before}{c}${after}`, forceSystem: true };
    if (head.length >= before.length + after.length && head.startsWith(before) && head.endsWith(after)) {
      return {
        system: `${before}{c}${after}`,
        defaultSystem: head.slice(before.length, head.length - after.length),
      };
    }
    return fallback;
  }
  const opening = head + userHead;
  const ending = USER + userTail;
  if (withSystem.startsWith(opening) && withSystem.endsWith(ending)) {
    const parts = cut(withSystem.slice(opening.length, withSystem.length - ending.length), SYSTEM);
    if (parts) return { prefix: head, system: `${parts[0]}{c}${parts[1]}`, kind: 'llama2' };
  }
  return fallback;
}

/** A bos at the very start becomes an element of its own, and the empty prefix goes away. */
function separateBos(spec: TemplateSpec, tokenizer: TextTokenizer): TemplateSpec {
  const bos = tokenizer.bosId === null ? null : tokenizer.idToToken(tokenizer.bosId);
  const { prefix: slots, ...rest } = spec;
  const prefix = typeof slots === 'string' ? slots : '';
  if (bos && prefix.startsWith(bos)) {
    const elements: SlotElement[] = prefix === bos ? [BOS] : [BOS, prefix.slice(bos.length)];
    return { ...rest, prefix: elements };
  }
  if (bos && !prefix && typeof rest.system === 'string' && rest.system.startsWith(bos)) {
    return { ...rest, prefix: [BOS], system: rest.system.slice(bos.length) };
  }
  return prefix ? { ...rest, prefix } : rest;
}

/** The texts before and after a mark that occurs exactly once. */
function cut(text: string, mark: string): [string, string] | null {
  const at = text.indexOf(mark);
  if (at < 0 || text.indexOf(mark, at + 1) >= 0) return null;
  return [text.slice(0, at), text.slice(at + mark.length)];
}

function notSlots(tokenizer: TextTokenizer, why: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'TOKENS_BAD_TEMPLATE',
    message: `the tokenizer's own chat template does not come apart into turns: ${why}`,
    remedy: `Set template to ${closeTemplates(tokenizer).join(' or ')}.`,
    cause,
  });
}
