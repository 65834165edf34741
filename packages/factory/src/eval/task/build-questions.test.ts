import { describe, expect, it } from 'vitest';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import { buildQuestions } from './build-questions.ts';

const args = (change: Partial<EvalArgs>): EvalArgs =>
  ({
    task: 'classification',
    labels: [],
    slices: [],
    cluster: null,
    doc_to_text: null,
    doc_to_target: null,
    doc_to_choice: [],
    description: '',
    target_delimiter: ' ',
    num_fewshot: 0,
    fewshot_by: null,
    fewshot_delimiter: '\n\n',
    apply_chat_template: null,
    ...change,
  }) as EvalArgs;

const bare = (columns: Record<string, unknown>, row = 0) => ({
  source: { dataset: 'd', file: 'f.json', row },
  columns,
  example: null,
});
const chat = (question: string, answer: string, columns: Record<string, unknown> = {}) => ({
  ...bare(columns),
  example: {
    prompt: [{ role: 'user' as const, content: question }],
    response: [{ role: 'assistant' as const, content: answer }],
    system: '',
    tools: '',
    source: { dataset: 'd', file: 'f.json', row: 0 },
  },
});

describe('questions', () => {
  it('have ids by content, in any order of the rows, and equal rows differ', () => {
    const rows = [chat('a', 'x'), chat('b', 'y'), chat('a', 'x')];
    const { questions, labels, labelsFound } = buildQuestions(rows, args({}), []);
    expect([labels, labelsFound]).toEqual([['x', 'y'], true]);
    const ids = questions.map(({ id }) => id);
    expect(ids[2]).toBe(`${ids[0]}#2`);
    const turned = buildQuestions([...rows].reverse(), args({}), []).questions.map(({ id }) => id);
    expect(new Set(turned)).toEqual(new Set(ids));
  });

  it('name choices by letters where they differ from row to row, and take the place or the text of the right one', () => {
    const template = { doc_to_text: 'q', doc_to_target: 'gold', doc_to_choice: ['endings'] };
    const rows = [
      bare({ q: 'one', gold: 1, endings: ['left', 'right'] }),
      bare({ q: 'two', gold: 'up', endings: ['up', 'down', 'away'] }, 1),
    ];
    const { questions, labels } = buildQuestions(rows, args(template), []);
    expect(labels).toEqual(['A', 'B', 'C']);
    expect(questions.map(({ label, references }) => [label, references])).toEqual([
      ['B', ['right']],
      ['A', ['up']],
    ]);
  });

  it('carry clusters and slices, and prompts that differ in case and space have one key', () => {
    const rows = [
      chat('Where  IS it?', 'x', { user: 7, lang: 'en' }),
      chat('where is it?', 'x', { user: 8, lang: 'zh' }),
    ];
    const { questions } = buildQuestions(rows, args({ cluster: 'user', slices: ['lang', 'label'] }), []);
    expect(questions.map(({ cluster, slices }) => [cluster, slices])).toEqual([
      ['7', { lang: 'en', label: 'x' }],
      ['8', { lang: 'zh', label: 'x' }],
    ]);
    expect(questions[0].promptKey).toBe(questions[1].promptKey);
  });

  it('say what is wrong with a template, a column or an answer', () => {
    const build = (change: Partial<EvalArgs>, rows = [bare({ q: 'one', gold: 'z' })]) =>
      buildQuestions(rows, args({ doc_to_text: 'q', doc_to_target: 'gold', ...change }), []);
    expect(() => build({ doc_to_text: '{{ q' })).toThrow(/doc_to_text: .* is no template/);
    expect(() => build({ doc_to_text: 'question' })).toThrow(/has no column "question" \(it has: q, gold\)/);
    expect(() => build({ doc_to_choice: ['a', 'b'] })).toThrow(
      /"z", which is neither a choice nor the place/,
    );
    expect(() => build({ labels: ['a'] })).toThrow(/none of the labels a/);
    expect(() => build({ num_fewshot: 2 })).toThrow(/asks for 2 examples, and fewshot_file has 0/);
    expect(() => buildQuestions([chat('a', 'x')], args({ slices: ['lang'] }), [])).toThrow(
      /slices names the column "lang", whose value is missing/,
    );
  });
});
