// In: all rows, and files of other rows, such as last year's data or a public test. Out: how like each prompt is to the nearest of
// theirs; rows that are the same or near go. The rows of the files stay whatever happens. Answers are not compared.
import type { SetStep } from '../clean-step.ts';
import { loadDataset } from '../load-one.ts';
import { SealedTest, sealTest } from '../split/sealed-test.ts';
import { NEAR } from './near-index.ts';
import { rowSides } from './row-sides.ts';

const EVERY = 1024;

export const referenceStep: SetStep = {
  kind: 'set',
  name: 'reference-rows',
  version: 1,
  title: { en: 'Rows of another set', zh: '另一数据集中的行' },
  options: {
    files: {
      type: 'texts',
      default: [],
      role: 'score',
      text: { en: 'files of prompts and answers to compare with', zh: '用于比较的问答文件' },
    },
    floor: {
      type: 'number',
      default: 0.7,
      min: 0.3,
      max: 1,
      role: 'score',
      text: { en: 'similarity from which rows are found', zh: '查找的相似度下限' },
    },
    threshold: {
      type: 'number',
      default: 0.75,
      min: 0,
      max: 1,
      role: 'decide',
      text: {
        en: 'least Jaccard similarity of prompts from which rows go',
        zh: '达到此提示相似度的行被去除',
      },
    },
  },
  scores: {
    similarity: { en: 'similarity to the nearest row of the files', zh: '与文件中最近一行的相似度' },
  },
  reasons: {
    in_reference: {
      verdict: 'drop',
      boundary: { score: 'similarity', option: 'threshold' },
      text: { en: 'the other set has this prompt, or one near to it', zh: '另一数据集中有相同或近似的提示' },
    },
  },
  async run(rows, options, context) {
    const similarity = new Float64Array(rows.count).fill(Number.NaN);
    const none = { a: new Uint32Array(0), b: new Uint32Array(0), value: new Float64Array(0) };
    const prompts: string[] = [];
    for (const path of options.files as readonly string[]) {
      const load = { stage: 'sft', use: 'eval', maxSamples: null, seed: '' } as const;
      const { examples } = await loadDataset({ name: path, path }, load);
      for (const { prompt } of examples) prompts.push(prompt.map(({ content }) => content).join('\n'));
    }
    if (prompts.length === 0) return { scores: { similarity }, pairs: none };
    // A seal is an index of prompts; here it is made in passing and not kept.
    const known = new SealedTest(
      sealTest(prompts, context.seed, { ...NEAR, threshold: options.floor as number }),
    );
    for (let row = 0; row < rows.count; row++) {
      similarity[row] =
        known.nearest(rowSides(rows.row(row), 'prompt').prompt ?? '')?.similarity ?? Number.NaN;
      if (row % EVERY === 0) await context.progress(row, rows.count);
    }
    return { scores: { similarity }, pairs: none };
  },
  *decide({ scores }, options, alive) {
    const threshold = options.threshold as number;
    for (const [row, score] of scores.similarity!.entries())
      if (alive[row] && score >= threshold)
        yield { row, reason: 'in_reference', score, threshold, survivor: null };
  },
};
