// In: a tokenizer, a template name (or none) and settings. Out: a ChatTemplate bound to that tokenizer.
// It encodes turns exactly as LLaMA-Factory does: every slot element on its own. It cuts nothing and masks nothing.
import { createHash } from 'node:crypto';
import { invariant } from '#factory/errors.ts';
import type { ChatTemplate, TemplateSettings } from '#factory/records/chat-template.ts';
import type { Message } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { completeSpec } from './complete-spec.ts';
import { deriveTemplateSpec } from './jinja-template.ts';
import { dumpPythonJson } from './python-json.ts';
import { requireToken, SlotEncoder } from './slot-encoder.ts';
import { slotsToJinja } from './slots-to-jinja.ts';
import { slotsToOllama } from './slots-to-ollama.ts';
import type { SlotElement, TemplateSpec } from './template-spec.ts';
import { findTemplateSpec, type TemplateVersion } from './template-table.ts';
import { thoughtRules } from './thoughts.ts';
import { badTools } from './tool-formats/tool-format.ts';
import {
  parseCalls,
  renderFunctionTurn,
  renderToolList,
  toolFormat,
  V0_6_3_DEFAULT,
} from './tool-formats.ts';

const DEFAULT_TEMPLATE_SETTINGS: TemplateSettings = {
  defaultSystem: null,
  toolFormat: null,
  enableThinking: true,
  preserveThinking: false,
  maskHistory: false,
};

/** The date that Llama 3.1's own chat template names when it is given none. */
const DEFAULT_DATE = '26 Jul 2024';

export interface ResolveTemplateOptions {
  tokenizer: TextTokenizer;
  /** null: taken from the tokenizer's own chat template. */
  name: string | null;
  version?: TemplateVersion;
  settings?: Partial<TemplateSettings>;
  /** The day in llama3's tool preamble and in chat templates that name one; fixed, so that runs can be repeated. */
  date?: string;
}

export interface ResolvedTemplate extends ChatTemplate {
  /** Read off the tokenizer's own chat template: prove-template.ts must find them the same. */
  readonly derived: boolean;
  readonly isReasoning: boolean;
  /** What opens and closes thoughts; null for templates that know none. */
  readonly thoughtWords: readonly [string, string] | null;
  readonly settings: TemplateSettings;
  readonly date: string;
  /** A chat template made of the slots, to be saved with the tokenizer; null: keep the tokenizer's own. */
  readonly jinja: string | null;
  /** The tool format of answers, a name of tool-formats/; what its turns begin with; an answer's empty thoughts. */
  readonly answerFormat: string;
  readonly callHead: string;
  readonly emptyThought: readonly number[];
  /** Such a template, whatever the tokenizer has; null where the slots cannot be written so. */
  slotsJinja(): string | null;
  /** The slots in the template language of Ollama; null where they cannot be written so. */
  ollama(): string | null;
  /** The system text of conversations that bring none; empty for none. */
  readonly defaultSystem: string;
  /** The tool calls in a generated answer, or null. Arguments are JSON text. */
  extractCalls(content: string): { name: string; arguments: string }[] | null;
}

/**
 * @throws FactoryError TOKENS_UNKNOWN_TEMPLATE, TOKENS_BAD_TEMPLATE, TOKENS_BAD_TOOLS (unknown tool format), or
 * TOKENS_VOCABULARY when the tokenizer lacks a token that the template cannot do without
 */
export function resolveTemplate(options: ResolveTemplateOptions): ResolvedTemplate {
  const { tokenizer, name } = options;
  const version = options.version ?? 'latest';
  const date = options.date ?? DEFAULT_DATE;
  const settings = { ...DEFAULT_TEMPLATE_SETTINGS, ...options.settings };
  const spec = name === null ? deriveTemplateSpec(tokenizer, date) : findTemplateSpec(name, version);
  const label = name ?? "the tokenizer's own";

  const eosId = findEos(spec, tokenizer, label);
  const parts = completeSpec(spec, settings, version, name === null);
  const encoder = new SlotEncoder(tokenizer, eosId, label);
  const slots = mapValues(parts.slots, (elements) => encoder.compile(elements));
  const callFormat = toolFormat(parts.functionFormat);
  const listFormat = toolFormat(parts.toolFormat);
  const isReasoning = parts.kind === 'reasoning' || parts.kind === 'glm47';
  const trim = (role: 'system' | 'user' | 'assistant', text: string) =>
    spec.trimmed?.includes(role) ? text.trim() : text;

  function encodeMessages(messages: Message[], system: string, tools: string): number[][] {
    const systemText = system || parts.defaultSystem;
    return messages.map((message, i) => {
      const ids: number[] = [];
      let inUserTurn = '';
      if (i === 0) {
        encoder.append(ids, slots.prefix, {});
        if (systemText || tools || spec.forceSystem) {
          const list = tools ? renderTools(tools) : '';
          const content = trim('system', systemText) + list;
          if (parts.kind === 'llama2') inUserTurn = encoder.firstText(slots.system, content);
          else encoder.append(ids, slots.system, { c: content });
        }
      } else if (i % 2 === 0) {
        encoder.append(ids, slots.separator, {});
      }
      if (message.role === 'user') {
        const content = inUserTurn + trim('user', message.content);
        encoder.append(ids, slots.user, { c: content, idx: String(i / 2) });
      } else if (message.role === 'assistant') {
        encoder.append(ids, slots.assistant, { c: trim('assistant', message.content) });
      } else if (message.role === 'observation') {
        // The original leaves the turn number of an observation unfilled (chatglm2 of v0.6.3).
        encoder.append(ids, slots.observation, { c: message.content, idx: '{{idx}}' });
      } else {
        encoder.append(ids, slots.function, functionValues(message.content));
      }
      return ids;
    });
  }

  function renderTools(tools: string): string {
    if (spec.toolSlot !== undefined) return spec.toolSlot.replace('{c}', () => tools);
    return renderToolList(listFormat, tools, { date });
  }

  function functionValues(content: string): Record<string, string> {
    if (parts.namedCalls) {
      const calls = parseCalls(content);
      const [call] = calls;
      if (!call || calls.length > 1)
        throw badTools(`version ${version} takes one call per turn, found ${calls.length}`);
      return { name: call.name, arguments: dumpPythonJson(call.arguments) };
    }
    const words =
      parts.kind === 'llama2' ? null : { thought: parts.thoughtWords, toolCall: parts.toolCallWords };
    return { c: renderFunctionTurn(callFormat, content, words) };
  }

  function slotsJinja(): string | null {
    const { defaultSystem, kind } = parts;
    return slotsToJinja({ ...parts.slots, defaultSystem, kind }, tokenizer, eosId);
  }

  const thoughts = isReasoning ? thoughtRules(parts, settings, tokenizer) : null;

  return {
    name: label,
    version,
    derived: name === null,
    isReasoning,
    thoughtWords: thoughts ? parts.thoughtWords : null,
    settings,
    date,
    answerFormat: parts.toolFormat === V0_6_3_DEFAULT ? 'default' : parts.toolFormat,
    callHead: textBefore(parts.slots.function),
    emptyThought: thoughts?.empty ?? [],
    eosId,
    padId: tokenizer.padId ?? eosId,
    stopIds: findStops(
      spec,
      tokenizer,
      eosId,
      name === null ? encoder.firstTokenAfterContent(slots.assistant) : null,
    ),
    efficientEos: spec.efficientEos ?? false,
    fingerprint: fingerprintOf({
      name: label,
      version,
      parts,
      trimmed: spec.trimmed,
      toolSlot: spec.toolSlot,
      force: spec.forceSystem,
      efficientEos: spec.efficientEos,
      eosId,
      bosId: tokenizer.bosId,
      settings: isReasoning ? settings : null,
      date: [parts.toolFormat, parts.functionFormat].includes('llama3') ? date : null,
    }),
    jinja: tokenizer.chatTemplate === null || spec.replaceJinja ? slotsJinja() : null,
    slotsJinja,
    ollama() {
      const { kind, thoughtWords: words } = parts;
      const enable = Boolean(settings.enableThinking);
      const own = thoughts ? { words, enable, preserve: settings.preserveThinking } : null;
      const forceSystem = spec.forceSystem ?? false;
      return slotsToOllama({ ...parts.slots, kind, forceSystem, thoughts: own }, tokenizer, eosId);
    },
    defaultSystem: parts.defaultSystem,
    encodeTurns(messages, system, tools) {
      invariant(messages.length % 2 === 0, 'turns are pairs');
      const turns = thoughts ? thoughts.inTurns(messages) : messages;
      const encoded = encodeMessages(turns, system, tools);
      const pairs: [number[], number[]][] = [];
      for (let i = 0; i < encoded.length; i += 2) {
        const pair: [number[], number[]] = [encoded[i] as number[], encoded[i + 1] as number[]];
        const answer = (turns[i + 1] as Message).content;
        const isLast = i === encoded.length - 2;
        pairs.push(thoughts?.fillsTurn(isLast) ? thoughts.addEmpty(...pair, answer) : pair);
      }
      return pairs;
    },
    encodeOneTurn(messages, system, tools) {
      invariant(messages.length >= 2 && messages.length % 2 === 0, 'a conversation ends with an answer');
      const turns = thoughts ? thoughts.inConversation(messages) : messages;
      const encoded = encodeMessages(turns, system, tools);
      const target = encoded.pop() as number[];
      const pair: [number[], number[]] = [encoded.flat(), target];
      const [prompt, answer] = thoughts?.addEmpty(...pair, (turns.at(-1) as Message).content) ?? pair;
      return { prompt, answer };
    },
    extractCalls: (content) =>
      listFormat.extractCalls(content)?.map((call) => ({
        name: call.name,
        arguments: dumpPythonJson(call.arguments),
      })) ?? null,
  };
}

/** The text that stands before the content, where it is text. */
function textBefore([first]: readonly SlotElement[]): string {
  const at = typeof first === 'string' ? first.indexOf('{c}') : -1;
  return at < 0 ? '' : (first as string).slice(0, at);
}

/** With replaceEos the first stop word, else the tokenizer's eos, else `<|endoftext|>`. */
function findEos(spec: TemplateSpec, tokenizer: TextTokenizer, label: string): number {
  if (spec.replaceEos) return requireToken(tokenizer, spec.stopWords?.[0] ?? '', label);
  return tokenizer.eosId ?? requireToken(tokenizer, '<|endoftext|>', label);
}

/** Stop words that the tokenizer lacks cannot be generated either, so they are left out. */
function findStops(
  spec: TemplateSpec,
  tokenizer: TextTokenizer,
  eosId: number,
  closing: number | null,
): number[] {
  const ids = new Set([eosId]);
  for (const word of spec.stopWords ?? []) {
    const id = tokenizer.tokenToId(word);
    if (id !== null) ids.add(id);
  }
  // A chat template ends answers with its own marker even where the tokenizer names another eos; plain text is no marker.
  const marker = closing === null ? null : tokenizer.idToToken(closing);
  if (closing !== null && marker !== null && tokenizer.encode(marker).length === 1 && /^[<[]/.test(marker)) {
    ids.add(closing);
  }
  return [...ids];
}

function fingerprintOf(facts: unknown): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

function mapValues<K extends string, A, B>(record: Record<K, A>, change: (value: A) => B): Record<K, B> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, change(value as A)]),
  ) as Record<K, B>;
}
