import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadDatasets } from '#factory/data/load-datasets.ts';
import { checkSeal } from './check-seal.ts';
import { type SplitOptions, splitData } from './split-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'split-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'rows.jsonl');
const topics = ['card', 'refund', 'transfer', 'limit'];
const numbers = 'zero one two three four five six seven eight nine'.split(' ');
const rows = Array.from({ length: 400 }, (_, i) => {
  const words = String(i)
    .split('')
    .map((digit) => numbers[Number(digit)]);
  return {
    instruction: `${words.join(' ')} ${topics[i % 4]} ${words.reverse().join(' ')} what shall I do about it ${i}?`,
    input: '',
    output: topics[i % 4],
    id: i,
  };
});
// Every tenth row comes again with a word more.
const again = rows
  .filter((_, i) => i % 10 === 0)
  .map((r) => ({ ...r, instruction: `${r.instruction} please`, id: -1 }));
const lines = [...rows, ...again].map((r) => JSON.stringify(r));
writeFileSync(file, [...lines, '{broken', ''].join('\n'));

const options: SplitOptions = {
  ...{ outputDir: join(folder, 'out'), testSize: 0.2, valSize: 0.1, seed: 3 },
  ...{ stratifyBy: null, groupBy: [], threshold: 0.75 },
};
const deps = { signal: new AbortController().signal, progress: () => {} };
const read = (dir: string, name: string) =>
  readFileSync(join(dir, name), 'utf8').split('\n').filter(Boolean).sort();

describe('splitData', () => {
  test('writes every row into one part as it was, and no tie crosses', async () => {
    const certificate = await splitData([file], options, deps);
    const parts = ['train', 'val', 'test'].map((name) => read(options.outputDir, `${name}.jsonl`));
    expect(parts.flat().sort()).toEqual([...lines].sort());
    expect(parts.map((part) => part.length)).toEqual(
      ['train', 'val', 'test'].map((n) => certificate.parts[n]!.rows),
    );
    expect(certificate.unreadable).toEqual({ not_json: 1 });
    expect(certificate.crossing).toEqual({ same_prompt: 0, near_prompt: 0, same_column: 0 });
    expect(certificate.stratified_by).toBe('answer');
    // Of 40; the words that all rows share do not count, so a word more weighs more in the shortest rows.
    expect(certificate.ties.near_prompt).toBeGreaterThanOrEqual(34);
    for (const topic of topics) expect(certificate.parts.test!.labels[topic]).toBeGreaterThan(15);
    const twice = { ...options, outputDir: join(folder, 'twice') };
    await splitData([file], twice, deps);
    for (const name of ['train.jsonl', 'test.jsonl', 'sealed-test.json', 'leakage-certificate.json'])
      expect(read(twice.outputDir, name)).toEqual(read(options.outputDir, name));
  });

  test('the trainer reads the parts, and leaves out rows of the sealed test', async () => {
    await splitData([file], options, deps);
    const load = (dataset: string) =>
      loadDatasets({
        ...{ dataset: [dataset], eval_dataset: [], dataset_dir: options.outputDir, mix_strategy: 'concat' },
        ...{
          interleave_probs: null,
          max_samples: null,
          val_size: 0,
          max_dropped_fraction: 1,
          sealed_test: null,
        },
        ...{ stage: 'sft', seed: 1 },
      });
    const { train, totals } = await load('train');
    expect(totals[0]).toMatchObject({ dropped: 0, used: train.length });
    // All of them in one file: what is in the test goes, and is counted.
    writeFileSync(join(options.outputDir, 'all.jsonl'), lines.join('\n'));
    const all = await load('all.jsonl');
    const test = read(options.outputDir, 'test.jsonl').length;
    expect(all.totals[0]!.dropped).toBeGreaterThanOrEqual(test);
    expect(all.totals[0]!.dropped).toBeLessThan(test + 10);
    expect(all.issues[0]!.reason).toBe('sealed_test');

    const seal = join(options.outputDir, 'sealed-test.json');
    const checked = await checkSeal([join(options.outputDir, 'test.jsonl')], seal);
    expect(checked.matches.length).toBe(test);
    expect((await checkSeal([join(options.outputDir, 'train.jsonl')], seal)).matches).toEqual([]);
  });

  test('shares that leave nothing are refused', async () => {
    await expect(splitData([file], { ...options, testSize: 0.6, valSize: 0.4 }, deps)).rejects.toMatchObject({
      code: 'ARGS_BAD_VALUE',
    });
  });
});
