// In: a template and rows of the user's data. Out: whether it gives the same ids as the tokenizer's own chat template,
// token by token. Conversations are compared whole, as they are answered: history thoughts removed, the last one kept.
import { FactoryError } from '#factory/errors.ts';
import type { Example, Message } from '#factory/records/message.ts';
import type { TemplateProof } from '#factory/records/template-proof.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { type JinjaMessage, renderChat } from './jinja-template.ts';
import type { ResolvedTemplate } from './template.ts';
import { closeTemplates } from './template-table.ts';

/** Ids shown on each side of a mismatch. */
const AROUND = 12;

/**
 * @throws FactoryError TOKENS_TEMPLATE_MISMATCH when the template was read off the chat template and yet differs; for a
 * named template a difference is only reported
 */
export function proveTemplate(
  template: ResolvedTemplate,
  tokenizer: TextTokenizer,
  samples: Example[],
): TemplateProof {
  const proof: TemplateProof = {
    template: template.name,
    derived: template.derived,
    compared: tokenizer.chatTemplate !== null,
    samples: 0,
    agree: 0,
    tokens: 0,
    firstMismatch: null,
  };
  if (!proof.compared) return proof;
  for (const [i, sample] of samples.entries()) {
    const ours = encodeSample(template, sample);
    if (ours === null) continue;
    proof.samples++;
    const theirs = renderSample(template, tokenizer, sample);
    if (typeof theirs === 'string') {
      proof.firstMismatch ??= mismatch(tokenizer, i, ours, [], 0, theirs);
      continue;
    }
    proof.tokens += ours.length;
    const position = firstDifference(ours, theirs);
    if (position < 0) proof.agree++;
    else proof.firstMismatch ??= mismatch(tokenizer, i, ours, theirs, position, null);
  }
  if (template.derived && proof.firstMismatch) throw disagreement(proof, tokenizer, samples);
  return proof;
}

/** Ids of the whole conversation, or null for a row that training drops too. */
function encodeSample(template: ResolvedTemplate, sample: Example): number[] | null {
  const messages = [...sample.prompt, ...sample.response.slice(0, 1)];
  if (messages.length === 0 || messages.length % 2 !== 0) return null;
  try {
    const { prompt, answer } = template.encodeOneTurn(messages, sample.system, sample.tools);
    return [...prompt, ...answer, ...(template.efficientEos ? [template.eosId] : [])];
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'TOKENS_BAD_TOOLS') return null;
    throw error;
  }
}

/** Ids of the same conversation by the chat template, or the reason why it cannot be rendered. */
function renderSample(
  template: ResolvedTemplate,
  tokenizer: TextTokenizer,
  sample: Example,
): number[] | string {
  try {
    const messages = [...sample.prompt, ...sample.response.slice(0, 1)].map(toJinja);
    if (sample.system) messages.unshift({ role: 'system', content: sample.system });
    const text = renderChat(tokenizer, messages, {
      addGenerationPrompt: false,
      date: template.date,
      tools: sample.tools ? JSON.parse(sample.tools) : null,
      enableThinking: template.isReasoning ? template.settings.enableThinking : null,
    });
    return tokenizer.encode(text);
  } catch (error) {
    return (error as Error).message;
  }
}

function toJinja(message: Message): JinjaMessage {
  if (message.role === 'observation') return { role: 'tool', content: message.content };
  if (message.role !== 'function') return { role: message.role, content: message.content };
  const value: unknown = JSON.parse(message.content);
  const calls = (Array.isArray(value) ? value : [value]).map((call) => ({
    type: 'function',
    function: call,
  }));
  return { role: 'assistant', content: '', tool_calls: calls };
}

function firstDifference(ours: number[], theirs: number[]): number {
  const length = Math.max(ours.length, theirs.length);
  for (let i = 0; i < length; i++) if (ours[i] !== theirs[i]) return i;
  return -1;
}

function mismatch(
  tokenizer: TextTokenizer,
  sample: number,
  ours: number[],
  theirs: number[],
  position: number,
  renderError: string | null,
): TemplateProof['firstMismatch'] {
  const at = (ids: number[]) => {
    const id = ids[position];
    return id === undefined ? null : tokenizer.idToToken(id);
  };
  const around = (ids: number[]) =>
    tokenizer.decode(ids.slice(Math.max(0, position - AROUND), position + AROUND));
  return {
    sample,
    position,
    ours: at(ours),
    theirs: at(theirs),
    oursAround: around(ours),
    theirsAround: around(theirs),
    renderError,
  };
}

function disagreement(proof: TemplateProof, tokenizer: TextTokenizer, samples: Example[]): FactoryError {
  const found = proof.firstMismatch as NonNullable<TemplateProof['firstMismatch']>;
  const source = samples[found.sample]?.source;
  const where = source ? `${source.file} row ${source.row}` : `sample ${found.sample}`;
  const what = found.renderError
    ? `it cannot be rendered for ${where}: ${found.renderError}`
    : `first at token ${found.position} of ${where}: slots give ${JSON.stringify(found.oursAround)}, the chat template gives ${JSON.stringify(found.theirsAround)}`;
  return new FactoryError({
    code: 'TOKENS_TEMPLATE_MISMATCH',
    message: `the slots read off the tokenizer's chat template agree with it on ${proof.agree} of ${proof.samples} rows; ${what}`,
    remedy: `Set template to the model's named template (close ones: ${closeTemplates(tokenizer).join(', ')}).`,
    details: { proof },
  });
}
