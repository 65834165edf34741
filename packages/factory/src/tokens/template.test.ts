import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import type { Message } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { assetPath } from '../../../../test/assets.ts';
import { resolveTemplate } from './template.ts';
import { templateNames } from './template-table.ts';
import { openTokenizer } from './tokenizer.ts';

const qwen3 = assetPath('tokenizers/qwen3');
const qwen3Tokenizer = qwen3 ? openTokenizer(qwen3) : null;
const vectors = JSON.parse(
  readFileSync(new URL('./fixtures/template-vectors.json', import.meta.url), 'utf8'),
);

/** Every text is one token, so that ids show the slot elements. */
function elementTokenizer(
  special: { bos?: string; eos?: string | null; known?: (token: string) => boolean } = {},
) {
  const texts: string[] = [];
  const intern = (text: string) => {
    const at = texts.indexOf(text);
    return at >= 0 ? at : texts.push(text) - 1;
  };
  const eos = special.eos === undefined ? '<EOS>' : special.eos;
  const tokenizer: TextTokenizer = {
    encode: (text) => (text === '' ? [] : [intern(text)]),
    decode: (ids) => Array.from(ids, (id) => texts[id]).join(''),
    tokenToId: (token) => ((special.known?.(token) ?? true) ? intern(token) : null),
    idToToken: (id) => texts[id] ?? null,
    bosId: intern(special.bos ?? '<BOS>'),
    eosId: eos === null ? null : intern(eos),
    padId: intern('<PAD>'),
    addsBos: false,
    size: 1_000_000,
    chatTemplate: null,
    fingerprint: 'elements',
  };
  return { tokenizer, show: (ids: number[]) => ids.map((id) => texts[id] as string) };
}

const digest = (value: unknown) =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

describe.each(['latest', 'v0.6.3'] as const)(
  'all templates of %s give the elements of the original code',
  (version) => {
    test('none is missing', () => {
      expect(templateNames(version)).toEqual(Object.keys(vectors[version]).sort());
    });

    test.each(Object.keys(vectors[version]))('%s', (name) => {
      for (const [key, expected] of Object.entries(vectors[version][name])) {
        const [conversation, mode, thinking] = key.split(' ') as [string, string, 'on' | 'off' | 'null'];
        const { tokenizer, show } = elementTokenizer();
        const template = resolveTemplate({
          tokenizer,
          name,
          version,
          date: vectors.date,
          settings: {
            enableThinking: { on: true, off: false, null: null }[thinking],
            preserveThinking: mode === 'one_preserved',
            maskHistory: mode === 'masked',
          },
        });
        const [open, close] = template.thoughtWords ?? ['', ''];
        const [messages, system, tools] = vectors.conversations[conversation];
        const filled = messages.map((m: Message) => ({
          ...m,
          content: m.content.replace('{o}', open).replace('{e}', close),
        }));
        const one = mode.startsWith('one') ? template.encodeOneTurn(filled, system, tools) : null;
        const pairs = one ? [[one.prompt, one.answer]] : template.encodeTurns(filled, system, tools);
        const shown = pairs.map((pair) => pair.map(show));
        expect(digest(shown), `${key}\n${JSON.stringify(shown, null, 1)}`).toBe(expected);
      }
    });
  },
);

describe.skipIf(!qwen3)('with the qwen3 tokenizer', () => {
  const messages: Message[] = [
    { role: 'user', content: 'How are you' },
    { role: 'assistant', content: 'I am fine!' },
    { role: 'user', content: '你好' },
    { role: 'assistant', content: '很高兴认识你！' },
  ];
  const turns =
    '<|im_start|>user\nHow are you<|im_end|>\n<|im_start|>assistant\nI am fine!<|im_end|>\n<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n';

  test('qwen and qwen3 give the texts of the original tests', async () => {
    const tokenizer = (await qwen3Tokenizer)!;
    const text = (name: string, list: Message[]) => {
      const { prompt, answer } = resolveTemplate({ tokenizer, name }).encodeOneTurn(list, '', '');
      expect([...prompt, ...answer]).toEqual(tokenizer.encode(tokenizer.decode([...prompt, ...answer])));
      return [tokenizer.decode(prompt), tokenizer.decode(answer)];
    };
    const system =
      '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n';
    expect(text('qwen', messages)).toEqual([system + turns, '很高兴认识你！<|im_end|>\n']);
    expect(text('qwen3', messages)).toEqual([turns, '<think>\n\n</think>\n\n很高兴认识你！<|im_end|>\n']);
    expect(text('qwen3_nothink', messages)).toEqual([turns, '很高兴认识你！<|im_end|>\n']);
    const thinking = messages.map((m) =>
      m.role === 'assistant' ? { ...m, content: `<think>\nModel thought here\n</think>\n\n${m.content}` } : m,
    );
    expect(text('qwen3', thinking)).toEqual([
      turns,
      '<think>\nModel thought here\n</think>\n\n很高兴认识你！<|im_end|>\n',
    ]);
  });

  test('eos, pad and stops', async () => {
    const tokenizer = (await qwen3Tokenizer)!;
    const qwen = resolveTemplate({ tokenizer, name: 'qwen' });
    expect([qwen.eosId, qwen.padId, qwen.stopIds]).toEqual([151645, 151643, [151645]]);
    const chatml = resolveTemplate({ tokenizer, name: 'chatml' });
    expect(chatml.stopIds).toEqual([151645, 151644]);
    expect(resolveTemplate({ tokenizer, name: 'default' }).stopIds).toEqual([151645]);
  });

  test('a template that needs a missing token is refused with close ones', async () => {
    const tokenizer = (await qwen3Tokenizer)!;
    expect(() => resolveTemplate({ tokenizer, name: 'llama3' })).toThrow(
      expect.objectContaining({ code: 'TOKENS_VOCABULARY', remedy: expect.stringContaining('qwen') }),
    );
  });
});

describe('settings', () => {
  const chat: Message[] = [
    { role: 'user', content: 'U' },
    { role: 'assistant', content: 'A' },
  ];
  const elements = (name: string, settings = {}, system = '', tools = '') => {
    const { tokenizer, show } = elementTokenizer();
    const [pair] = resolveTemplate({ tokenizer, name, settings }).encodeTurns(chat, system, tools);
    return (pair as number[][]).map(show);
  };

  test('default_system replaces, and empties', () => {
    expect(elements('alpaca', { defaultSystem: 'S ' })[0]).toEqual([
      'S ',
      '### Instruction:\nU\n\n### Response:\n',
    ]);
    expect(elements('alpaca', { defaultSystem: '' })[0]).toEqual(['### Instruction:\nU\n\n### Response:\n']);
    expect(elements('default', {}, 'S')).toEqual([
      ['System: S', '<EOS>', '\n', 'Human: U', '<EOS>', '\nAssistant:'],
      ['A', '<EOS>', '\n'],
    ]);
  });

  test('tool_format replaces the list and the calls', () => {
    const tools = '[{"name":"t"}]';
    expect(elements('default', { toolFormat: 'mistral' }, '', tools)[0]?.[0]).toBe(
      'System: [AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "t"}}][/AVAILABLE_TOOLS]',
    );
    expect(() => elements('default', { toolFormat: 'mistrall' })).toThrow(/mistrall/);
  });

  test('the fingerprint follows name, version and what changes ids', () => {
    const { tokenizer } = elementTokenizer();
    const print = (name: string, settings = {}, version: 'latest' | 'v0.6.3' = 'latest') =>
      resolveTemplate({ tokenizer, name, version, settings }).fingerprint;
    expect(print('qwen')).toBe(print('qwen'));
    expect(print('qwen')).toBe(print('qwen', { enableThinking: false }));
    expect(print('qwen3')).not.toBe(print('qwen3', { enableThinking: false }));
    expect(print('qwen')).not.toBe(print('qwen', {}, 'v0.6.3'));
    expect(print('qwen')).not.toBe(print('qwen', { defaultSystem: 'x' }));
  });

  test('a content that looks like a placeholder stays as it is', () => {
    const { tokenizer, show } = elementTokenizer();
    const template = resolveTemplate({ tokenizer, name: 'vicuna' });
    const [[source]] = template.encodeTurns(
      [{ role: 'user', content: '{c} {idx} $& $1' }, chat[1] as Message],
      '',
      '',
    ) as [[number[], number[]]];
    expect(show(source).at(-1)).toBe('USER: {c} {idx} $& $1 ASSISTANT:');
  });
});

describe('names', () => {
  const { tokenizer } = elementTokenizer();
  const failure = (name: string | null, version: 'latest' | 'v0.6.3' = 'latest') => {
    try {
      resolveTemplate({ tokenizer, name, version });
    } catch (error) {
      return error as FactoryError;
    }
    throw new Error('expected a failure');
  };
  test.each([
    ['qwem', 'latest', 'qwen'],
    ['llama-3', 'latest', 'llama3'],
    ['Llama3', 'latest', 'llama3'],
    ['deepseek-r1', 'latest', 'deepseekr1'],
    ['baichuan2', 'latest', 'v0.6.3'],
    ['qwen3', 'v0.6.3', 'latest'],
    ['qwen2_vl', 'latest', 'qwen'],
    ['zzzzzzzzzz', 'latest', 'known names'],
    ['__proto__', 'latest', 'known names'],
    ['constructor', 'latest', 'known names'],
  ] as const)('%s (%s) suggests %s', (name, version, words) => {
    const error = failure(name, version);
    expect(error).toBeInstanceOf(FactoryError);
    expect([error.code, error.remedy]).toEqual(['TOKENS_UNKNOWN_TEMPLATE', expect.stringContaining(words)]);
  });
  test('no name and no chat template', () => {
    expect(failure(null).message).toContain('no chat template');
    expect(failure(null).remedy).toMatch(/^Set template to /);
  });
});
