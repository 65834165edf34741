import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import type { AnswerPart, ChatAskMessage, SamplingAsk, ServedModel } from '#factory/records/served-model.ts';
import { type ChatSettings, chat } from './chat.ts';
import { twoColumns } from './two-columns.ts';

const dir = mkdtempSync(join(tmpdir(), 'tunesmith-chat-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A real model needs weights; this one answers with the number of messages it was given. */
function counter(asked: ChatAskMessage[][], words = 1): ServedModel {
  async function* answer(
    messages: readonly ChatAskMessage[],
    signal: AbortSignal,
  ): AsyncGenerator<AnswerPart> {
    asked.push([...messages]);
    for (let i = 0; i < words; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      signal.throwIfAborted();
      yield { kind: 'text', text: i === 0 ? `${messages.length}` : ` and ${i}`, logprobs: [] };
    }
    yield {
      kind: 'end',
      finish: messages.length > 4 ? 'length' : 'stop',
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: words, reasoningTokens: 0 },
      queuedMs: null,
    };
  }
  return { chat: ({ messages }, signal) => answer(messages, signal) } as Partial<ServedModel> as ServedModel;
}

async function talk(lines: string[], change: Partial<ChatSettings> = {}, models = 1, words = 1) {
  const asked: ChatAskMessage[][] = [];
  let out = '';
  let err = '';
  let at = 0;
  const input = new PassThrough();
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    outIsTty: false,
    errIsTty: false,
    columns: 40,
  };
  const sides = Array.from({ length: models }, (_, i) => ({
    name: `m${i}`,
    model: counter(asked, words + i),
  }));
  const settings: ChatSettings = {
    sampling: {} as SamplingAsk,
    system: null,
    layout: 'rows',
    showsSpeed: false,
    clock: () => at++ * 100,
    ...change,
  };
  const done = chat(sides, settings, terminal, input as unknown as NodeJS.ReadStream);
  input.end(`${lines.join('\n')}\n`);
  await done;
  return { asked, out, err };
}

const contents = (asked: ChatAskMessage[][]) =>
  asked.map((messages) => messages.map(({ content }) => content));

describe('chat', () => {
  it('keeps the conversation, forgets it on clear, and leaves on exit', async () => {
    const { asked, out } = await talk(['one', '', 'two', 'clear', 'three', 'exit', 'four'], {
      system: 'be kind',
    });
    expect(contents(asked)).toEqual([
      ['be kind', 'one'],
      ['be kind', 'one', '2', 'two'],
      ['be kind', 'three'],
    ]);
    expect(out).toBe('2\n4\n2\n');
  });

  it('ends with the input, and says when an answer was cut', async () => {
    const { asked, out } = await talk(['a', 'b', 'c']);
    expect(asked.at(-1)!.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user']);
    expect(out).toBe('1\n3\n5\n[length]\n');
  });

  it('sets the system text, and appends the conversation to a file', async () => {
    const file = join(dir, 'rows.jsonl');
    const { asked, err } = await talk(['a', '/system Be brief.', 'b', `/save ${file}`, '/save', '/what']);
    expect(contents(asked)).toEqual([['a'], ['Be brief.', 'b']]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'b' },
        { role: 'assistant', content: '2' },
      ],
    });
    expect(err).toContain('write /save and a file');
    expect(err.match(/exit leaves/g)).toHaveLength(2);
  });

  it('asks two models, one after the other or in columns', async () => {
    const rows = await talk(['a', 'b'], {}, 2, 2);
    expect(rows.out).toBe('m0: 1 and 1\nm1: 1 and 1 and 2\nm0: 3 and 1\nm1: 3 and 1 and 2\n');
    const sides = await talk(['a'], { layout: 'columns' }, 2, 5);
    expect(sides.out).toBe(
      [
        'm0                 | m1',
        '1 and 1 and 2 and  | 1 and 1 and 2 and',
        '3 and 4            | 3 and 4 and 5',
        '',
      ].join('\n'),
    );
  });

  it('tells the speed', async () => {
    expect((await talk(['a'], { showsSpeed: true }, 1, 4)).err).toContain(
      '[4 tokens, 20.0 tokens/s, first after 0.10 s]',
    );
  });
});

describe('two columns', () => {
  it('writes a line once both sides have it, and wraps by cells', () => {
    const both = twoColumns(23);
    expect(both.add(0, 'short\nnext')).toBe('');
    expect(both.add(1, '宽字符占两格的文字')).toBe('short      | 宽字符占两\n');
    expect(both.end(0)).toBe('');
    expect(both.end(1)).toBe('next       | 格的文字\n');
  });

  it('loses nothing of a long word', () => {
    const both = twoColumns(23);
    const out = both.add(0, 'x'.repeat(25)) + both.end(1) + both.end(0);
    expect(out.replaceAll(/[^x]/g, '')).toHaveLength(25);
  });
});
