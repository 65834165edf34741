import { describe, expect, it } from 'vitest';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { languageStep } from '../language/language-step.ts';
import { labelsStep } from './labels-step.ts';
import {
  characterRepetition,
  compressionRatio,
  echo,
  hasBoilerplate,
  isRefusal,
  lineRepetition,
  looksTruncated,
  unclosed,
} from './measures.ts';

const row = (prompt: string, answer: string): CleanRow => ({
  kind: 'sft',
  system: '',
  tools: '',
  prompt: [{ role: 'user', content: prompt }],
  response: [{ role: 'assistant', content: answer }],
  extra: {},
});

describe('measures of an answer', () => {
  it('counts repetition as data-juicer does', () => {
    expect(characterRepetition('abcabcabcabc', 3)).toBeCloseTo(0.4);
    expect(characterRepetition('aaaaaaaaaaaa', 3)).toBe(1);
    expect(characterRepetition('abcdefghijkl', 3)).toBe(0);
    expect(characterRepetition('哈哈哈哈哈哈', 2)).toBe(1);
    expect(characterRepetition('今天天气很好', 2)).toBe(0);
    expect(characterRepetition('', 3)).toBe(0);
    expect(lineRepetition('x\nyy\nx\nyy\nz')).toBeCloseTo(3 / 7);
    expect(compressionRatio('short')).toBeNaN();
    expect(compressionRatio('the same again. '.repeat(60))).toBeLessThan(0.1);
  });

  it('sees echoes, refusals, phrases, open ends and open blocks', () => {
    const prompt = 'Describe the water cycle in detail for a ten year old child.';
    expect(echo(prompt, prompt)).toBe(1);
    expect(echo(prompt, 'Rain falls, rivers run to the sea, the sun lifts it up again.')).toBeLessThan(0.1);
    for (const text of [
      "I'm sorry, but I can't help with that.",
      '很抱歉，我无法回答这个问题。',
      'I cannot assist with this.',
    ])
      expect(isRefusal(text), text).toBe(true);
    for (const text of ['Sorry is a song of 2015.', '抱歉的英文是 sorry。', 'I cannot swim, said the cat.'])
      expect(isRefusal(text), text).toBe(false);
    expect(hasBoilerplate('As an AI language model, I think')).toBe(true);
    expect(hasBoilerplate('作为一个人工智能语言模型，我')).toBe(true);
    const long = 'A sentence that goes on. '.repeat(20);
    expect(looksTruncated(`${long}And then the last of the sentences just`, 300)).toBe(true);
    expect(looksTruncated(long, 300)).toBe(false);
    expect(looksTruncated('And then', 300)).toBe(false);
    expect(unclosed('```py\nx')).toBe(1);
    expect(unclosed('```py\nx\n```')).toBe(0);
    expect(unclosed('{"a": [1, 2')).toBe(1);
    expect(unclosed('\\begin{a} x')).toBe(1);
  });
});

describe('the step language', () => {
  const scores = (prompt: string, answer: string, allow: string[] = []) => {
    const found: Record<string, number | string> = {};
    const put = (name: string, value: number | string) => {
      found[name] = value;
    };
    languageStep.create({ allow })(row(prompt, answer), { score: put, label: put, edited: () => {} });
    return found;
  };

  it('sees answers in another language that nobody asked for', () => {
    const english = 'You can ask for a refund within seven days of the purchase.';
    expect(scores('请问我应该如何申请退款呢？谢谢', english)).toMatchObject({
      mismatch: 1,
      prompt: 'zh',
      answer: 'en',
    });
    expect(scores('请用英文说明如何申请退款', english)).toMatchObject({ mismatch: 0 });
    expect(scores('请问我应该如何申请退款呢？谢谢', 'OK')).toMatchObject({ mismatch: 0 });
    expect(scores('How do I get it?', english, ['zh'])).toMatchObject({ unwanted: 1 });
    expect(scores('How do I get it?', english, ['en'])).toMatchObject({ unwanted: 0 });
  });
});

describe('the step labels', () => {
  const run = async (answers: string[]) => {
    const rows = { count: answers.length, row: (i: number) => row('q', answers[i]!), id: () => '' };
    const context = {
      ...{ signal: new AbortController().signal, seed: 1, env: {}, fetch, cacheFolder: '' },
      progress: async () => {},
    };
    const findings = await labelsStep.run(rows, {}, context);
    const alive = new Uint8Array(answers.length).fill(1);
    return [...labelsStep.decide(findings, { min_rows: 5, min_entropy: 0.3 }, alive)];
  };

  it('flags rare labels, and labels that drown the others', async () => {
    const even = [...Array(50).fill('yes'), ...Array(48).fill('no'), 'maybe', 'maybe'] as string[];
    expect((await run(even)).map(({ row: index, reason, score }) => [index, reason, score])).toEqual([
      [98, 'rare_label', 2],
      [99, 'rare_label', 2],
    ]);
    const uneven = [...Array(990).fill('yes'), ...Array(10).fill('no')] as string[];
    const flags = await run(uneven);
    expect(flags).toHaveLength(990);
    expect(flags[0]!.score).toBeCloseTo(0.0808, 3);
  });

  it('says nothing of answers that are no labels', async () => {
    expect(await run(Array.from({ length: 100 }, (_, i) => `answer ${i}`))).toEqual([]);
  });
});
