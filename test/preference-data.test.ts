// Preference data of LLaMA-Factory's repository, and our own examples, become pairs and rated answers row by row.
import { describe, expect, test } from 'vitest';
import { loadDatasets } from '../packages/factory/src/data/load-datasets.ts';
import type { Stage } from '../packages/factory/src/records/train-args.ts';
import { encodeRows } from '../packages/factory/src/tokens/encode.ts';
import { characterTokenizer } from '../packages/factory/src/tokens/fixtures/character-tokenizer.ts';
import { resolveTemplate } from '../packages/factory/src/tokens/template.ts';
import { assetPath } from './assets.ts';

const tokenizer = characterTokenizer(['<|im_start|>', '<|im_end|>', '<|endoftext|>']);
const template = resolveTemplate({ tokenizer, name: 'qwen', settings: {} });
const load = (dataset_dir: string, dataset: string, stage: Stage) =>
  loadDatasets({
    dataset: [dataset],
    eval_dataset: [],
    dataset_dir,
    mix_strategy: 'concat',
    interleave_probs: null,
    max_samples: null,
    val_size: 0,
    max_dropped_fraction: 0,
    sealed_test: null,
    stage,
    seed: 1,
  });

const demo = assetPath('data/llamafactory_demo');

describe.skipIf(!demo)('demo data', () => {
  test.each([
    ['dpo_en_demo', 'dpo', 300],
    ['dpo_zh_demo', 'rm', 300],
    ['kto_en_demo', 'kto', 300],
  ] as const)('%s in stage %s', async (name, stage, rows) => {
    const { train, issues } = await load(demo as string, name, stage);
    expect([train.length, issues.length]).toEqual([rows, 0]);
    const { dataset } = encodeRows(train, { stage, template, tokenizer, cutoffLen: 1024 });
    expect(dataset.examples.length).toBe(2 * dataset.totals.used);
    expect(dataset.totals.used + dataset.totals.dropped).toBe(rows);
    expect(dataset.totals.dropped).toBe(0);
    for (const { inputIds } of dataset.examples) expect(inputIds.length).toBeLessThanOrEqual(1024);
    if (stage === 'kto') {
      const good = dataset.isDesirable?.filter(Boolean).length ?? 0;
      expect(good).toBeGreaterThan(0);
      expect(good).toBeLessThan(rows);
    }
  });

  test('a supervised stage refuses pairs, and a preference stage refuses single answers', async () => {
    await expect(load(demo as string, 'dpo_en_demo', 'sft')).rejects.toThrow(
      /stage_dpo_needed|preference pair/,
    );
    await expect(load(demo as string, 'kto_en_demo', 'dpo')).rejects.toThrow(/stage dpo trains on pairs/);
    await expect(load(demo as string, 'dpo_en_demo', 'kto')).rejects.toThrow(
      /stage kto trains on rated answers/,
    );
  });
});

test.each([
  ['support_pairs', 'dpo', 12],
  ['support_rated', 'kto', 15],
] as const)('our example %s', async (name, stage, rows) => {
  const { train, issues } = await load('examples/data', name, stage);
  expect([train.length, issues.length]).toEqual([rows, 0]);
});
