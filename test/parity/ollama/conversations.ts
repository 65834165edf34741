// In: a template's name. Out: its Modelfile for a tokenizer whose tokens are whole slot elements, and what it renders for a few
// conversations. generate.ts and the test share it.
import { formatModelfile } from '../../../packages/factory/src/export/modelfile.ts';
import type { Message } from '../../../packages/factory/src/records/message.ts';
import type { TextTokenizer } from '../../../packages/factory/src/records/tokenizer.ts';
import { resolveTemplate } from '../../../packages/factory/src/tokens/template.ts';
import type { TemplateVersion } from '../../../packages/factory/src/tokens/template-table.ts';

const turns = (...texts: string[]): Message[] =>
  texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));

export interface Conversation {
  system: string;
  messages: Message[];
}

/** Each ends with a question. */
export const CONVERSATIONS: readonly Conversation[] = [
  { system: '', messages: turns('What is "this"?') },
  { system: 'Be brief.', messages: turns('Hi\n\nthere') },
  { system: 'Be brief.', messages: turns('One', 'Two {{ x }}', 'Three', '四', 'Five') },
];

function elementTokenizer(addsBos: boolean): TextTokenizer {
  const texts: string[] = [];
  const intern = (text: string) => {
    const at = texts.indexOf(text);
    return at >= 0 ? at : texts.push(text) - 1;
  };
  return {
    encode: (text) => (text === '' ? [] : [intern(text)]),
    decode: (ids) => Array.from(ids, (id) => texts[id]).join(''),
    tokenToId: intern,
    idToToken: (id) => texts[id] ?? null,
    bosId: intern('<BOS>'),
    eosId: intern('<EOS>'),
    padId: intern('<PAD>'),
    addsBos,
    size: 1_000_000,
    chatTemplate: null,
    fingerprint: 'elements',
  };
}

export function ollamaCase(
  name: string,
  version: TemplateVersion,
  enableThinking: boolean,
  addsBos: boolean,
) {
  const tokenizer = elementTokenizer(addsBos);
  const template = resolveTemplate({ tokenizer, name, version, settings: { enableThinking } });
  const text = template.ollama();
  const modelfile =
    text === null
      ? null
      : formatModelfile({
          model: 'model.gguf',
          template: text,
          system: '',
          stop: template.stopIds.map((id) => tokenizer.idToToken(id) as string),
          contextSize: 4096,
          sampling: { repeat_penalty: 1 },
          license: 'mit',
        });
  const render = ({ system, messages }: Conversation) => {
    const open: Message = { role: 'assistant', content: '' };
    const { prompt } = template.encodeOneTurn([...messages, open], system, '');
    return tokenizer.decode(prompt);
  };
  /** Ollama hands the template's own system text on as if the conversation had brought it. */
  const asked = ({ system, messages }: Conversation) => ({
    system: system || template.defaultSystem,
    messages,
  });
  return {
    template: text,
    modelfile,
    stop: template.stopIds.map((id) => tokenizer.idToToken(id)),
    render,
    asked,
  };
}
