import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example, Message } from '#factory/records/message.ts';
import { assetPath } from '../../../../test/assets.ts';
import { encodeRows, encodingFingerprint } from './encode.ts';
import type { EncodeOptions } from './encode-plan.ts';
import { characterTokenizer } from './fixtures/character-tokenizer.ts';
import { proveTemplate } from './prove-template.ts';
import { resolveTemplate } from './template.ts';
import { openTokenizer } from './tokenizer.ts';

interface VectorCase {
  stage: 'sft' | 'pt';
  template: string;
  options: Partial<EncodeOptions>;
  cutoff: number;
  digest: string;
}

const vectors: { special: string[]; rows: string[][]; texts: string[]; cases: VectorCase[] } = JSON.parse(
  readFileSync(new URL('./fixtures/encode-vectors.json', import.meta.url), 'utf8'),
);
const tokenizer = characterTokenizer(vectors.special, { addsBos: true });
const show = (ids: ArrayLike<number>) =>
  Array.from(ids, (id) => (id === IGNORE_INDEX ? '·' : tokenizer.idToToken(id))).join('');

function row(turns: string[], system = '', index = 0): Example {
  const messages = turns.map(
    (content, i): Message => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }),
  );
  return {
    prompt: messages.slice(0, -1),
    response: messages.slice(-1),
    system,
    tools: '',
    source: { dataset: 'd', file: 'f.json', row: index },
  };
}
const textRow = (text: string, index = 0): Example => ({
  ...row([text, ''], '', index),
  prompt: [{ role: 'user', content: text }],
  response: [],
});

function encode(examples: Example[], change: Partial<EncodeOptions> & { name?: string } = {}) {
  const { name = 'default', ...options } = change;
  const template = resolveTemplate({
    tokenizer,
    name,
    settings: { maskHistory: options.maskHistory ?? false },
  });
  return encodeRows(examples, { stage: 'sft', template, tokenizer, cutoffLen: 4096, ...options });
}

describe('ids and labels of the original processors', () => {
  test.each(vectors.cases)('$stage $template $options cutoff $cutoff', (c: VectorCase) => {
    const examples =
      c.stage === 'pt'
        ? vectors.texts.map(textRow)
        : vectors.rows.map((r: string[]) => row(r.slice(1), r[0]));
    const { dataset } = encode(examples, {
      stage: c.stage,
      name: c.template,
      cutoffLen: c.cutoff,
      ...c.options,
      packing: 'packing' in c.options ? c.options.packing : c.stage === 'pt' ? null : false,
    });
    const pairs = dataset.examples.map((e) => [[...e.inputIds], [...e.labels]]);
    expect(createHash('sha256').update(JSON.stringify(pairs)).digest('hex').slice(0, 16)).toBe(c.digest);
  });
});

describe('labels', () => {
  const turns = row(['U', 'A', 'V', 'B']);
  test('the answers and their ends', () => {
    const { dataset } = encode([turns]);
    expect(show(dataset.examples[0]!.inputIds)).toBe(
      'Human: U<EOS>\nAssistant:A<EOS>\nHuman: V<EOS>\nAssistant:B<EOS>\n',
    );
    expect(show(dataset.examples[0]!.labels)).toBe(`${'·'.repeat(20)}A<EOS>\n${'·'.repeat(20)}B<EOS>\n`);
    expect(dataset.totals).toEqual({
      used: 1,
      repaired: 0,
      truncated: 0,
      dropped: 0,
      tokens: 46,
      labelTokens: 6,
    });
  });
  test('train_on_prompt and mask_history', () => {
    const { inputIds, labels } = encode([turns], { trainOnPrompt: true }).dataset.examples[0]!;
    expect(labels).toEqual(inputIds);
    expect(show(encode([turns], { maskHistory: true }).dataset.examples[0]!.labels)).toBe(
      `${'·'.repeat(43)}B<EOS>\n`,
    );
  });
  test('efficient_eos puts the end on the next turn', () => {
    const { inputIds, labels } = encode([turns], { name: 'falcon' }).dataset.examples[0]!;
    expect(show(inputIds)).toBe('User: U\nFalcon:A\nUser: V\nFalcon:B\n<EOS>');
    expect(show(labels)).toBe(`${'·'.repeat(15)}A\n<EOS>${'·'.repeat(14)}B\n<EOS>`);
  });
});

describe('issues', () => {
  test('each bad row is named with its reason, and the rest is used', () => {
    const good = row(['U', 'A'], '', 0);
    const odd = { ...row(['U', 'A', 'V'], '', 1) };
    const noAnswer = { ...good, response: [], source: { ...good.source, row: 2 } };
    const badTools = { ...good, tools: '{', source: { ...good.source, row: 3 } };
    const long = row(['U'.repeat(100), 'A'.repeat(50)], '', 4);
    const { dataset, issues } = encode([good, odd, noAnswer, badTools, long], { cutoffLen: 60 });
    expect(issues.map((i) => [i.source.row, i.kind, i.reason])).toEqual([
      [1, 'dropped', 'bad_turns'],
      [2, 'dropped', 'bad_turns'],
      [3, 'dropped', 'bad_tools'],
      [4, 'truncated', 'cutoff_len'],
    ]);
    expect(issues[3]!.detail).toBe('171 tokens cut to 60: 77 off the prompts, 34 off the answers');
    expect(dataset.totals).toMatchObject({ used: 2, dropped: 3, truncated: 1 });
    expect(dataset.examples.length).toBe(2);
  });

  test('no row left is an error that counts the reasons', () => {
    expect(() => encode([row(['U', 'A', 'V'])])).toThrow(
      expect.objectContaining({ code: 'TOKENS_NO_LABELS', message: expect.stringContaining('1 bad_turns') }),
    );
    expect(() => encode([])).toThrow(expect.objectContaining({ code: 'TOKENS_NO_LABELS' }));
  });

  test('settings that exclude each other', () => {
    expect(() => encode([], { trainOnPrompt: true, maskHistory: true })).toThrow(
      expect.objectContaining({ code: 'ARGS_CONFLICT' }),
    );
    expect(() => encode([], { trainOnPrompt: true, name: 'falcon' })).toThrow(
      expect.objectContaining({ code: 'ARGS_CONFLICT' }),
    );
    expect(() => encode([], { template: null })).toThrow(expect.objectContaining({ code: 'ARGS_MISSING' }));
    expect(() => encode([], { cutoffLen: 1 })).toThrow(expect.objectContaining({ code: 'ARGS_BAD_VALUE' }));
  });
});

describe('stage pt', () => {
  test('blocks, the remainder, and which rows they hold', () => {
    const { dataset, issues } = encode(['aaaa', '', 'bbbb', 'c', 'dd'].map(textRow), {
      stage: 'pt',
      packing: null,
      cutoffLen: 8,
    });
    expect(dataset.examples.map((e) => show(e.inputIds))).toEqual(['<BOS>aaa<EOS>bbb']);
    expect(issues.map((i) => [i.source.row, i.kind, i.reason])).toEqual([
      [1, 'dropped', 'empty_text'],
      [2, 'truncated', 'packing_remainder'],
      [3, 'dropped', 'packing_remainder'],
      [4, 'dropped', 'packing_remainder'],
    ]);
    expect(dataset.totals).toMatchObject({ used: 2, dropped: 3, truncated: 1, tokens: 8, labelTokens: 7 });
  });
  test('without packing', () => {
    const { dataset } = encode([textRow('abcdef'), textRow('x')], {
      stage: 'pt',
      packing: false,
      cutoffLen: 5,
      template: null,
    });
    expect(dataset.examples.map((e) => show(e.inputIds))).toEqual(['<BOS>abcd', '<BOS>x<EOS>']);
    expect(dataset.totals.truncated).toBe(1);
  });
  test('too little text for one block says so', () => {
    expect(() => encode([textRow('abc')], { stage: 'pt', packing: null })).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('packing to false') }),
    );
  });
  test('groups are never joined', () => {
    const rows = ['aaa', 'bbb', 'ccc'].map(textRow);
    expect(
      encode(rows, { stage: 'pt', packing: null, cutoffLen: 4, groupRows: 2 }).dataset.examples.length,
    ).toBe(3);
    expect(
      encode(rows, { stage: 'pt', packing: null, cutoffLen: 6, groupRows: 3 }).dataset.examples.length,
    ).toBe(2);
    expect(
      encode(rows, { stage: 'pt', packing: null, cutoffLen: 6, groupRows: 2 }).dataset.examples.length,
    ).toBe(1);
  });
});

describe('laws', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '\n', ' '), maxLength: 30 });
  const rows = fc.array(fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 12,
  });
  const settings = fc.record({
    name: fc.constantFrom('default', 'falcon', 'qwen', 'qwen3'),
    cutoffLen: fc.integer({ min: 4, max: 200 }),
    maskHistory: fc.boolean(),
    packing: fc.boolean(),
    neatPacking: fc.boolean(),
    groupRows: fc.integer({ min: 1, max: 5 }),
  });

  test('no row exceeds the cutoff, labels are ids, every row is used or dropped, packing loses nothing', () => {
    fc.assert(
      fc.property(rows, settings, (list, options) => {
        const examples = list.map((turns, i) => row(turns.flat(), '', i));
        let result: ReturnType<typeof encode>;
        try {
          result = encode(examples, options);
        } catch (error) {
          expect(error).toMatchObject({ code: 'TOKENS_NO_LABELS' });
          return;
        }
        const { dataset, issues } = result;
        const cutoff = options.packing ? options.cutoffLen - 1 : options.cutoffLen;
        for (const { inputIds, labels } of dataset.examples) {
          expect(inputIds.length).toBeLessThanOrEqual(cutoff);
          expect(labels.length).toBe(inputIds.length);
          if (options.name !== 'falcon') {
            expect(labels.every((label, i) => label === IGNORE_INDEX || label === inputIds[i])).toBe(true);
          }
        }
        expect(dataset.totals.used + dataset.totals.dropped).toBe(examples.length);
        expect(new Set(issues.filter((i) => i.kind === 'dropped').map((i) => i.source.row)).size).toBe(
          dataset.totals.dropped,
        );
        if (options.packing && options.neatPacking) {
          const starts = dataset.examples.flatMap((e) => e.starts ?? []);
          expect(starts).toHaveLength(dataset.totals.used);
        } else {
          expect(dataset.examples.every((e) => e.starts === undefined)).toBe(true);
          if (!options.packing) expect(dataset.examples).toHaveLength(dataset.totals.used);
        }
        if (options.packing) {
          const plain = encode(examples, { ...options, packing: false, cutoffLen: cutoff }).dataset.totals;
          expect([dataset.totals.tokens, dataset.totals.used]).toEqual([plain.tokens, plain.used]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('the fingerprint is known without encoding and follows everything that changes ids', () => {
  const examples = [row(['U', 'A']), row(['V', 'B'])];
  const template = resolveTemplate({ tokenizer, name: 'default' });
  const base: EncodeOptions = { stage: 'sft', template, tokenizer, cutoffLen: 64 };
  const print = (rows: Example[], change: Partial<EncodeOptions> = {}) =>
    encodingFingerprint(rows, { ...base, ...change });
  expect(encodeRows(examples, base).dataset.fingerprint).toBe(print(examples));
  const others = [
    print(examples.toReversed()),
    print([row(['U', 'A']), row(['V', 'C'])]),
    print([row(['U', 'A']), row(['VB', ''])]),
    print([row(['U', 'A'], 'S'), row(['V', 'B'])]),
    print(examples, { cutoffLen: 65 }),
    print(examples, { maskHistory: true }),
    print(examples, { packing: true }),
    print(examples, { packing: true, neatPacking: true }),
    print(examples, { template: resolveTemplate({ tokenizer, name: 'vicuna' }) }),
    print(examples, { tokenizer: { ...tokenizer, fingerprint: 'x' } }),
    print(examples),
  ];
  expect(new Set(others).size).toBe(others.length);
  // Where the rows came from, and group sizes that do nothing, change no ids.
  expect(
    print([{ ...examples[0]!, source: { dataset: 'e', file: 'g', row: 9 } }, examples[1]!], { groupRows: 7 }),
  ).toBe(print(examples));
});

test('progress is told and ends at the total', () => {
  const calls: number[] = [];
  const template = resolveTemplate({ tokenizer, name: 'default' });
  const examples = Array.from({ length: 150 }, (_, i) => row(['U', 'A'], '', i));
  encodeRows(examples, { stage: 'sft', template, tokenizer, cutoffLen: 64 }, (done) => calls.push(done));
  expect(calls).toEqual([64, 128, 150]);
});

const demo = assetPath('data/llamafactory_demo');
const qwen3 = assetPath('tokenizers/qwen3');
describe.skipIf(!demo || !qwen3)('the demo data with the qwen3 tokenizer', () => {
  test("999 rows: qwen3 and the tokenizer's own chat template give the same ids", async () => {
    const real = await openTokenizer(qwen3!);
    const rows = JSON.parse(readFileSync(join(demo!, 'alpaca_en_demo.json'), 'utf8')).map(
      (r: { instruction: string; input: string; output: string }, i: number) =>
        row([[r.instruction, r.input].filter(Boolean).join('\n'), r.output], '', i),
    );
    for (const name of ['qwen3', null]) {
      const template = resolveTemplate({ tokenizer: real, name });
      const proof = proveTemplate(template, real, rows.slice(0, 200));
      expect(proof.firstMismatch).toBeNull();
      expect([proof.samples, proof.agree]).toEqual([200, 200]);
    }
    const template = resolveTemplate({ tokenizer: real, name: 'qwen3' });
    const { dataset, issues } = encodeRows(rows, { stage: 'sft', template, tokenizer: real, cutoffLen: 512 });
    expect(dataset.totals.used).toBe(rows.length);
    expect(issues.every((issue) => issue.kind === 'truncated')).toBe(true);
  });
});
