import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { aggregate } from './aggregate.ts';
import { METRICS } from './registry.ts';

const row = (prediction: string, ...references: string[]): PredictionRow => ({
  id: 'r0',
  prompt: '',
  prediction,
  references,
});
const score = (name: MetricName, prediction: string, references: string | string[], options = {}): number =>
  METRICS[name].prepare([row(prediction, ...[references].flat())], options, {})[0].perItem![0];

describe('exact_match', () => {
  it('normalises as declared, and says so in its name', () => {
    expect(score('exact_match', ' yes\n', 'yes')).toBe(1);
    expect(score('exact_match', 'Yes', 'yes')).toBe(0);
    expect(score('exact_match', ' yes', 'yes', { normalize: [] })).toBe(0);
    const all = { normalize: ['whitespace', 'articles', 'punctuation', 'case', 'nfkc'] };
    expect(score('exact_match', 'The  ＣＡＴ，sat！', 'cat sat', all)).toBe(0);
    expect(score('exact_match', 'The  ＣＡＴ sat！', 'cat sat', all)).toBe(1);
    expect(score('exact_match', 'b', ['a', 'b'])).toBe(1);
    const [value] = aggregate(METRICS.exact_match, [row('a', 'a'), row('b', 'c')], all, {});
    expect(value).toMatchObject({
      name: 'exact_match@nfkc+case+punctuation+articles+whitespace',
      value: 0.5,
    });
    expect(value.interval!.method).toBe('wilson');
    expect(() => score('exact_match', 'a', 'a', { normalize: ['stem'] })).toThrow(/normalize/);
  });
});

describe('SQuAD', () => {
  it.each([
    ['The cat sat.', 'a cat sat', 1, 1],
    ['cat dog', 'cat', 0, 2 / 3],
    ['', '', 1, 1],
    ['', 'x', 0, 0],
    ['an apple a day', 'apple day', 1, 1],
    ['cat cat', 'cat', 0, 2 / 3],
    ["the café's", 'cafés', 1, 1],
  ])('%j against %j', (answer, reference, em, f1) => {
    expect(score('squad_em', answer, reference)).toBe(em);
    expect(score('squad_f1', answer, reference)).toBeCloseTo(f1, 12);
  });
});

describe('answers in Chinese', () => {
  it.each([
    ['《北京》。', '北京', 1, 1],
    ['北京大学', '北京', 0, 2 / 3],
    // The longest common run is 北京; 大 and 学 are not next to it in both.
    ['北京的大学', '北京大学', 0, (2 * (2 / 5) * (2 / 4)) / (2 / 5 + 2 / 4)],
    ['在2008年', '2008年', 0, 0.8],
    ['GPT 4', 'gpt 4', 1, 1],
    ['', '北京', 0, 0],
  ])('CMRC: %j against %j', (answer, reference, em, f1) => {
    expect(score('cmrc_em', answer, reference)).toBe(em);
    expect(score('cmrc_f1', answer, reference)).toBeCloseTo(f1, 12);
  });

  it('counts characters as a bag, by the name of the variant', () => {
    expect(score('token_f1@zh-char', '北京的大学', '北京大学')).toBeCloseTo(8 / 9, 12);
    expect(score('token_f1@zh-char', '用ＧＰＴ４。', '用 GPT4')).toBe(1);
    expect(score('token_f1@zh-char', '，。', '')).toBe(1);
  });
});

describe('number_match', () => {
  it.each([
    ['so 3 + 4 = 7.', '7', 1],
    ['#### 1,234', '1234', 1],
    ['about 12.50 dollars', '12.5', 1],
    ['答案是１２。', '12', 1],
    ['−3', '-3', 1],
    ['5-3', '3', 1],
    ['x = -3', '3', 0],
    ['1,2', '2', 1],
    ['2e3', '2000', 1],
    ['.5', '0.5', 1],
    ['none', '1', 0],
  ])('%j against %j', (answer, reference, hit) => {
    expect(score('number_match', answer, reference)).toBe(hit);
  });

  it('has tolerances, and counts answers without a number as invalid', () => {
    expect(score('number_match', '99', '100', { relative_tolerance: 0.01 })).toBe(1);
    expect(score('number_match', '98.9', '100', { relative_tolerance: 0.01 })).toBe(0);
    expect(score('number_match', '0.05', '0', { absolute_tolerance: 0.1 })).toBe(1);
    expect(score('number_match', '3 or 4', '3', { which: 'first' })).toBe(1);
    expect(METRICS.number_match.prepare([row('none', '1')], {}, {})[0].invalid).toBe(1);
    expect(() => score('number_match', '1', 'one')).toThrow(/number in every reference in row r0/);
  });
});
