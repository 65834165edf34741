// Stages that write answers themselves get prompts: up to the turn that opens the answer, whole or not at all.
import { expect, test } from 'vitest';
import type { Example } from '#factory/records/message.ts';
import { encodeRows } from './encode.ts';
import { characterTokenizer } from './fixtures/character-tokenizer.ts';
import { resolveTemplate } from './template.ts';

const tokenizer = characterTokenizer(['<|endoftext|>', '<s>', '</s>']);
const template = resolveTemplate({ tokenizer, name: 'default', settings: {} });

const example = (text: string, answer: string | null, row: number): Example => ({
  prompt: [{ role: 'user', content: text }],
  response: answer === null ? [] : [{ role: 'assistant', content: answer }],
  system: '',
  tools: '',
  source: { dataset: 'd', file: 'f.json', row },
});

test('prompts are the same with an answer and without, and carry no labels', () => {
  const rows = [example('Hi', 'good', 0), example('Hi', null, 1), example('Hi'.repeat(60), 'x', 2)];
  const { dataset, issues } = encodeRows(rows, { stage: 'grpo', template, tokenizer, cutoffLen: 100 });
  expect(dataset.sequencesPerRow).toBe(1);
  expect(dataset.examples).toHaveLength(2);
  for (const { inputIds, labels } of dataset.examples) {
    expect(tokenizer.decode([...inputIds])).toMatch(/^Human: Hi.*\nAssistant:$/);
    expect(new Set(labels)).toEqual(new Set([-100]));
  }
  expect(issues).toMatchObject([{ kind: 'dropped', reason: 'long_prompt', source: { row: 2 } }]);
});
