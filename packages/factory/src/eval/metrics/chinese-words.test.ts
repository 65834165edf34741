import { describe, expect, it } from 'vitest';
import { hanCharacters, pythonJieba } from './chinese-words.ts';

describe('hanCharacters', () => {
  it('takes Han one by one and keeps other words and numbers whole', () => {
    expect(hanCharacters('我用GPT4，好\n𠀀')).toEqual(['我', '用', 'GPT4', '，', '好', '\n', '𠀀']);
    expect(hanCharacters('')).toEqual([]);
  });
});

describe('pythonJieba', () => {
  /** The rule of jieba-rs for text without Han, with its dot that stands for any character. */
  const rust = (text: string): string[] =>
    text.split(/([a-zA-Z0-9]+(?:.\d+)?%?)/).filter((part) => part !== '');
  const words = pythonJieba(rust);

  it('cuts before a digit where Python does', () => {
    expect(rust('SHA-256')).toEqual(['SHA-256']);
    expect(words('SHA-256')).toEqual(['SHA', '-', '256']);
    expect(words('2026-11-24')).toEqual(['2026', '-', '11', '-', '24']);
    expect(words('SmolLM2-135M')).toEqual(['SmolLM2', '-', '135M']);
    expect(words('Apache-2.0')).toEqual(['Apache', '-', '2.0']);
    expect(words('2.0e-3')).toEqual(['2.0', 'e', '-', '3']);
  });
});
