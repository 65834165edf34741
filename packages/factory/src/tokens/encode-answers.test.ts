// Pairs and rated answers become the sequences of LLaMA-Factory's pairwise.py and feedback.py: which ids, which labels,
// what is cut, and whose answer stands in for the mismatched one.
import { describe, expect, test } from 'vitest';
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example } from '#factory/records/message.ts';
import { encodeRows, encodingFingerprint } from './encode.ts';
import type { EncodeOptions } from './encode-plan.ts';
import { characterTokenizer } from './fixtures/character-tokenizer.ts';
import { resolveTemplate } from './template.ts';

const SPECIAL = ['<|endoftext|>', '<s>', '</s>', '<reserved_102>', '<reserved_103>'];
const tokenizer = characterTokenizer(SPECIAL);
const templateOf = (name: string) => resolveTemplate({ tokenizer, name, settings: {} });

function row(prompt: string, good: string, bad: string, index = 0): Example {
  return {
    prompt: [{ role: 'user', content: prompt }],
    response: [
      { role: 'assistant', content: good },
      { role: 'assistant', content: bad },
    ],
    system: '',
    tools: '',
    source: { dataset: 'd', file: 'f.json', row: index },
  };
}

function encode(stage: 'dpo' | 'kto', examples: Example[], change: Partial<EncodeOptions> = {}) {
  return encodeRows(examples, {
    stage,
    template: templateOf('default'),
    tokenizer,
    cutoffLen: 512,
    ...change,
  });
}

/** Learned text and all text of a sequence. */
const learned = ({ inputIds, labels }: EncodedExample) =>
  tokenizer.decode([...inputIds].filter((_, i) => labels[i] !== IGNORE_INDEX));
const whole = ({ inputIds }: EncodedExample) => tokenizer.decode([...inputIds]);

describe('pairs', () => {
  test('share a prompt; each side learns its answer', () => {
    const { dataset } = encode('dpo', [row('Hi', 'good', 'so bad')]);
    const [chosen, rejected] = dataset.examples;
    expect(dataset.sequencesPerRow).toBe(2);
    expect(whole(chosen)).toBe('Human: Hi<|endoftext|>\nAssistant:good<|endoftext|>\n');
    expect(learned(chosen)).toMatch(/^good/);
    expect(learned(rejected)).toMatch(/^so bad/);
    expect(whole(chosen).slice(0, -learned(chosen).length)).toBe(
      whole(rejected).slice(0, -learned(rejected).length),
    );
    expect(dataset.totals).toMatchObject({ used: 1, truncated: 0, dropped: 0 });
  });

  // Lengths of prompt, chosen and rejected, their cutoff, and what infer_seqlen leaves for the longer answer.
  test.each([
    [60, 40, 10, 50, [30, 20], 20, 10],
    [60, 10, 40, 50, [30, 20], 10, 20],
    [20, 30, 100, 50, [20, 30], 30, 30],
    [100, 12, 8, 50, [38, 12], 12, 8],
  ])('of %i, %i and %i ids within %i keep %j', (p, c, r, cutoff, [source, target], keptC, keptR) => {
    // A template of no more than the texts themselves.
    const template = {
      ...templateOf('default'),
      efficientEos: false,
      encodeOneTurn: (messages: { content: string }[]) => ({
        prompt: new Array<number>(messages[0].content.length).fill(40),
        answer: Array.from({ length: messages[1].content.length }, (_, i) => 50 + i),
      }),
    };
    const examples = [row('p'.repeat(p), 'c'.repeat(c), 'r'.repeat(r))];
    const options: EncodeOptions = { stage: 'dpo', template, tokenizer, cutoffLen: cutoff };
    const { dataset, issues } = encodeRows(examples, options);
    const lengths = dataset.examples.map(({ labels }) => [
      labels.filter((l) => l === IGNORE_INDEX).length,
      labels.filter((l) => l !== IGNORE_INDEX).length,
    ]);
    expect(lengths).toEqual([
      [source, keptC],
      [source, keptR],
    ]);
    expect(Math.max(keptC, keptR)).toBe(target);
    expect(issues.map(({ kind }) => kind)).toEqual(['truncated']);
  });

  test('an efficient_eos template closes both answers', () => {
    const template = { ...templateOf('default'), efficientEos: true };
    const { dataset } = encode('dpo', [row('Hi', 'good', '')], { template });
    for (const { inputIds, labels } of dataset.examples) {
      expect(inputIds.at(-1)).toBe(template.eosId);
      expect(labels.at(-1)).toBe(template.eosId);
    }
  });

  test('rows that are no pairs are dropped with a reason', () => {
    const single = row('Hi', 'a', 'b', 1);
    single.response.pop();
    const { dataset, issues } = encode('dpo', [row('Hi', 'a', 'b'), single]);
    expect(dataset.examples).toHaveLength(2);
    expect(issues).toMatchObject([{ kind: 'dropped', reason: 'bad_turns', source: { row: 1 } }]);
  });
});

describe('rated answers', () => {
  const rows = [row('q0', 'a0', ''), row('q1', '', 'a1', 1), row('q2', 'a2', '', 2), row('q3', '', 'a3', 3)];
  const mismatched = (groupRows: number) =>
    encode('kto', rows, { groupRows })
      .dataset.examples.map((e, i) => (i % 2 === 1 ? learned(e).slice(0, 2) : ''))
      .filter(Boolean);

  test('carry their rating, and the answer of the row before them', () => {
    const { dataset } = encode('kto', rows);
    expect(dataset.isDesirable).toEqual([true, false, true, false]);
    const [answer, other] = dataset.examples.slice(2, 4);
    expect(learned(answer)).toMatch(/^a1/);
    expect(whole(other)).toContain('q1');
    expect(learned(other)).toMatch(/^a0/);
  });

  test('the first of a group has the answer of its last', () => {
    expect(mismatched(1000)).toEqual(['a3', 'a0', 'a1', 'a2']);
    expect(mismatched(2)).toEqual(['a1', 'a0', 'a3', 'a2']);
    expect(mismatched(3)).toEqual(['a2', 'a0', 'a1', 'a3']);
  });

  test('groups are part of what the data is', () => {
    const of = (stage: 'kto' | 'dpo', groupRows: number) =>
      encodingFingerprint(rows, {
        stage,
        template: templateOf('default'),
        tokenizer,
        cutoffLen: 64,
        groupRows,
      });
    expect(of('kto', 2)).not.toBe(of('kto', 3));
    expect(of('dpo', 2)).toBe(of('dpo', 3));
    expect(of('dpo', 2)).not.toBe(of('kto', 2));
  });
});
