// In: a chat template and the tokenizer. Out: what a GGUF file keeps of it: a Jinja template for other servers, and our own
// name and settings, from which the very template of the training is resolved again.
import type { TemplateSettings } from '#factory/records/chat-template.ts';
import type { GgufField, GgufFields, GgufMetadata } from '#factory/records/gguf.ts';
import type { Example, Message } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { proveTemplate } from './prove-template.ts';
import type { ResolvedTemplate } from './template.ts';
import type { TemplateVersion } from './template-table.ts';

const NAME = 'tunesmith.template';
const SETTINGS = 'tunesmith.template_settings';

export interface StoredTemplate {
  /** Null: the tokenizer's own, taken apart as training took it. */
  name: string | null;
  version: TemplateVersion;
  settings: Partial<TemplateSettings>;
}

/** Without a name for the tokenizer's own template, which is stored as it is. */
export function ggufTemplateFields({ name, version, settings, derived }: ResolvedTemplate): GgufFields {
  return new Map<string, GgufField>([
    ...(derived ? [] : [[NAME, { type: 'string', value: name }] as const]),
    [SETTINGS, { type: 'string', value: JSON.stringify({ version, ...settings }) }],
  ]);
}

/** The template that the file was exported with; null where it has none or one that cannot be read. */
export function ggufTemplate(metadata: GgufMetadata): StoredTemplate | null {
  const name = metadata.get(NAME) ?? null;
  const stored = metadata.get(SETTINGS);
  if ((name !== null && typeof name !== 'string') || typeof stored !== 'string') return null;
  try {
    const { version, ...settings } = JSON.parse(stored) as { version: TemplateVersion } & TemplateSettings;
    return { name, version, settings };
  } catch {
    return null;
  }
}

/**
 * The Jinja template that other servers use: the tokenizer's own where it writes the same conversations, since it may know
 * tools too; else one made of the slots. `isOwn`: the first of them.
 */
export function servedJinja(
  template: ResolvedTemplate,
  tokenizer: TextTokenizer,
): { jinja: string | null; isOwn: boolean } {
  if (tokenizer.chatTemplate !== null) {
    const { samples, agree } = proveTemplate(template, tokenizer, SAMPLES);
    if (template.derived || samples === agree) return { jinja: tokenizer.chatTemplate, isOwn: true };
  }
  return { jinja: template.slotsJinja(), isOwn: false };
}

function conversation(system: string, ...texts: string[]): Example {
  const messages = texts.map(
    (content, i): Message => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }),
  );
  const source = { dataset: 'export', file: '', row: 0 };
  return { prompt: messages.slice(0, -1), response: messages.slice(-1), system, tools: '', source };
}

const SAMPLES = [
  conversation('', 'What is the capital of France?', 'Paris.'),
  conversation('', 'Hello!', 'Hi, how can I help?', 'Count to three.', '1, 2, 3.'),
  conversation('Answer in one word.', 'Is water wet?', 'Yes.', 'And ice?', 'No.'),
];
