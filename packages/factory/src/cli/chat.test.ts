import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ChatGenerator, type ChatMessage, chat } from './chat.ts';

const settings = {
  maxNewTokens: 5,
  doSample: false,
  temperature: 1,
  topP: 1,
  topK: 0,
  repetitionPenalty: 1,
  stop: [],
  seed: 1,
};

async function talk(lines: string[], system: string | null) {
  const asked: ChatMessage[][] = [];
  let out = '';
  // A real generator needs a model; this one answers with the number of messages it was given.
  const generator: ChatGenerator = {
    async generate(messages, options) {
      asked.push(messages);
      await new Promise((resolve) => setTimeout(resolve, 20));
      options.onText(`${messages.length}`);
      return { text: `${messages.length}`, finish: messages.length > 4 ? 'length' : 'stop' };
    },
  };
  const input = new PassThrough();
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: () => {},
    outIsTty: false,
    errIsTty: false,
    columns: 80,
  };
  const done = chat(generator, settings, system, terminal, input as unknown as NodeJS.ReadStream);
  input.end(`${lines.join('\n')}\n`);
  await done;
  return { asked, out };
}

describe('chat', () => {
  it('keeps the conversation, forgets it on clear, and leaves on exit', async () => {
    const { asked, out } = await talk(['one', '', 'two', 'clear', 'three', 'exit', 'four'], 'be kind');
    expect(asked.map((messages) => messages.map((message) => message.content))).toEqual([
      ['be kind', 'one'],
      ['be kind', 'one', '2', 'two'],
      ['be kind', 'three'],
    ]);
    expect(out).toBe('2\n4\n2\n');
  });

  it('ends with the input, and says when an answer was cut', async () => {
    const { asked, out } = await talk(['a', 'b', 'c'], null);
    expect(asked.at(-1)!.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(out).toBe('1\n3\n5\n[length]\n');
  });
});
