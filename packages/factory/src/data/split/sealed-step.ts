// In: a row. Out: how like it is to a sealed test set; rows of the test, or near to one, go.
import type { RowStep } from '../clean-step.ts';
import { rowSides } from '../dedup/row-sides.ts';
import { openSeal } from './sealed-rows.ts';

export const sealedStep: RowStep = {
  kind: 'row',
  name: 'sealed-test',
  version: 1,
  title: { en: 'Sealed test set', zh: '封存的测试集' },
  options: {
    seal: {
      type: 'text',
      default: '',
      role: 'score',
      text: {
        en: 'path of the sealed-test.json that "tunesmith data split" wrote; empty: no check',
        zh: '“tunesmith data split” 写出的 sealed-test.json 的路径；留空则不检查',
      },
    },
    least: {
      type: 'number',
      default: 0,
      min: 0,
      max: 1,
      optional: true,
      role: 'decide',
      text: {
        en: 'rows go above this similarity; the seal itself finds none below the one it was made with',
        zh: '相似度高于此值的行被去除；封存文件本身只发现不低于其制作阈值的行',
      },
    },
  },
  scores: {
    similarity: { en: 'similarity to the nearest prompt of the test', zh: '与最近的测试提示的相似度' },
  },
  reasons: {
    in_sealed_test: {
      verdict: 'drop',
      rule: { score: 'similarity', when: 'above', option: 'least' },
      text: {
        en: 'the sealed test set has this prompt, or one near to it',
        zh: '封存的测试集中有相同或近似的提示',
      },
    },
  },
  create(options) {
    const path = options.seal as string;
    if (path === '') return (row) => row;
    const seal = openSeal(path);
    return (row, found) => {
      const match = seal.nearest(rowSides(row, 'prompt').prompt ?? '');
      if (match) found.score('similarity', match.similarity);
      return row;
    };
  },
};
