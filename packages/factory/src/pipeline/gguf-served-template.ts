// In: the metadata of a GGUF file, and a template's name where one is asked for. Out: how its prompts are rendered: by the name,
// as the file's export says, or by the chat template that it came with; null where it has none of these.
import type { GgufMetadata } from '#factory/records/gguf.ts';
import type { ServedTemplate } from '#factory/records/served-template.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { servedJinja } from '#factory/tokens/answer/served-jinja.ts';
import { servedTemplate } from '#factory/tokens/answer/served-template.ts';
import { ggufTemplate } from '#factory/tokens/gguf-template.ts';
import { type ResolvedTemplate, resolveTemplate } from '#factory/tokens/template.ts';

/** What templates that name a date are told, so that a prompt does not change with the day. */
const DATE = '26 Jul 2024';

export function ggufServedTemplate(
  metadata: GgufMetadata,
  tokenizer: TextTokenizer,
  name: string | null,
): ServedTemplate | null {
  if (name !== null) return servedTemplate(resolveTemplate({ tokenizer, name }), tokenizer);
  const stored = storedTemplate(metadata, tokenizer);
  if (stored) return stored;
  if (tokenizer.chatTemplate === null) return null;
  return servedJinja({ tokenizer, stopIds: stopIdsOf(metadata, tokenizer), date: DATE });
}

/** As the file's export says, of a model or of an adapter; null where it says nothing. */
export function storedTemplate(metadata: GgufMetadata, tokenizer: TextTokenizer): ServedTemplate | null {
  const stored = ggufTemplate(metadata);
  return stored && servedTemplate(resolveTemplate({ tokenizer, ...stored }), tokenizer);
}

/** All that the file or the template itself may end an answer with. */
function stopIdsOf(metadata: GgufMetadata, tokenizer: TextTokenizer): number[] {
  const ids = new Set<number>(slots(tokenizer)?.stopIds ?? []);
  if (tokenizer.eosId !== null) ids.add(tokenizer.eosId);
  for (const key of ['eot_token_id', 'eom_token_id']) {
    const id = metadata.get(`tokenizer.ggml.${key}`);
    if (typeof id === 'number') ids.add(id);
  }
  return [...ids];
}

/** The template taken apart; what does not come apart is rendered whole, and ends as the file says. */
function slots(tokenizer: TextTokenizer): ResolvedTemplate | null {
  try {
    return resolveTemplate({ tokenizer, name: null });
  } catch {
    return null;
  }
}
