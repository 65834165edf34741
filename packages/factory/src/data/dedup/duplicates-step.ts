// In: all rows. Out: which of them say the same as another, exactly or nearly, within the set and against files of other rows.
// Rows that differ in their answer are no duplicates of each other: see conflicts-step.ts.
import type { OptionSpec, RowSet, SetContext, SetFindings, SetStep, StepOptions } from '../clean-step.ts';
import { chooseSurvivors, NEARLY_SAME, SAME } from './choose-survivors.ts';
import { componentPairs } from './component-pairs.ts';
import { exactFirsts } from './exact-groups.ts';
import { NEAR, NearIndex } from './near-index.ts';
import { commonShingles } from './row-shingles.ts';
import { DEDUP_UNITS, type DedupUnit, rowSides, sidesKey } from './row-sides.ts';
import { SHINGLES } from './shingles.ts';
import { SURVIVOR_POLICIES, type SurvivorPolicy, survivorRank } from './survivor-rank.ts';
import { UnionFind } from './union-find.ts';

const EVERY = 4096;

const OPTIONS: Record<string, OptionSpec> = {
  unit: {
    type: 'choice',
    choices: DEDUP_UNITS,
    default: 'conversation',
    role: 'score',
    text: {
      en: 'what must be alike: prompt and answer each (conversation), or only one of them',
      zh: '比较的对象：提示与回答都要相近（conversation），或只比较其一',
    },
  },
  keep: {
    type: 'choice',
    choices: SURVIVOR_POLICIES,
    default: 'longest',
    role: 'score',
    text: { en: 'which row of several stays', zh: '重复的行中保留哪一行' },
  },
  keep_column: {
    type: 'text',
    default: '',
    role: 'score',
    text: {
      en: 'the column with the time, score or mark that newest, highest_score and human_edited look at',
      zh: 'newest、highest_score、human_edited 所依据的时间、分数或标记列',
    },
  },
  near: {
    type: 'boolean',
    default: true,
    role: 'score',
    text: { en: 'look for near duplicates too', zh: '同时查找近似重复' },
  },
  threshold: {
    type: 'number',
    default: 0.75,
    min: 0,
    max: 1,
    optional: true,
    role: 'decide',
    text: {
      en: 'least Jaccard similarity of shingles of near duplicates; null: none go',
      zh: '近似重复的最小 Jaccard 相似度；null 表示不去除近似重复',
    },
  },
  floor: {
    type: 'number',
    default: 0.7,
    min: 0.3,
    max: 1,
    role: 'score',
    text: {
      en: 'similarity from which pairs are found and kept in the ledger; threshold can be moved down to it',
      zh: '记录相似对的下限；threshold 之后最低可调到此值',
    },
  },
  permutations: {
    type: 'integer',
    default: NEAR.permutations,
    min: 16,
    max: 1024,
    role: 'score',
    text: { en: 'MinHash functions at most', zh: 'MinHash 函数个数上限' },
  },
  common_share: {
    type: 'number',
    default: 0.25,
    min: 0.01,
    max: 1,
    role: 'score',
    text: {
      en: 'shingles in more than this share of the rows do not count, such as those of an instruction that all rows repeat',
      zh: '出现在超过此比例的行中的片段不参与比较，例如各行共有的指令',
    },
  },
  short_units: {
    type: 'integer',
    default: SHINGLES.shortUnits,
    min: 1,
    role: 'score',
    text: {
      en: 'texts of fewer words or Han characters are compared exactly only',
      zh: '少于此词数（汉字数）的文本只做精确比较',
    },
  },
};

export const duplicatesStep: SetStep = {
  kind: 'set',
  name: 'duplicates',
  version: 1,
  title: { en: 'Duplicates', zh: '重复' },
  options: OPTIONS,
  scores: {
    rank: { en: 'by which the row stays rather than one like it', zh: '保留优先级' },
    length: { en: 'characters that are compared', zh: '参与比较的字符数' },
  },
  reasons: {
    exact_duplicate: {
      verdict: 'merge',
      text: {
        en: 'the same text as another row, but for case, width and spacing',
        zh: '除大小写、全半角和空白外与另一行相同',
      },
    },
    near_duplicate: {
      verdict: 'merge',
      boundary: { score: null, option: 'threshold' },
      text: { en: 'nearly the same text as another row', zh: '与另一行近似相同' },
    },
  },
  run: findDuplicates,
  *decide({ scores, pairs }, options, alive) {
    const threshold = options.near === true ? (options.threshold as number | null) : null;
    const { rank, length } = scores as { rank: Float64Array; length: Float64Array };
    for (const { row, survivor, similarity } of chooseSurvivors(
      alive.length,
      pairs,
      threshold,
      alive,
      staysBefore(rank, length),
    )) {
      const isSame = similarity === SAME;
      yield {
        row,
        reason: isSame ? 'exact_duplicate' : 'near_duplicate',
        score: similarity,
        threshold: isSame ? SAME : (threshold as number),
        survivor,
      };
    }
  },
};

async function findDuplicates(rows: RowSet, options: StepOptions, context: SetContext): Promise<SetFindings> {
  const { count } = rows;
  const unit = options.unit as DedupUnit;
  const rank = new Float64Array(count);
  const length = new Float64Array(count);
  const sides = (row: number) => rowSides(rows.row(row), unit);
  // Reading a row is dear, so one reading gives the key and what the order of survivors needs.
  const key = (at: number) => {
    const row = rows.row(at);
    const both = rowSides(row, unit);
    const chars = (both.prompt?.length ?? 0) + (both.answer?.length ?? 0);
    length[at] = chars;
    rank[at] = survivorRank(row, at, chars, {
      policy: options.keep as SurvivorPolicy,
      column: options.keep_column as string,
    });
    return sidesKey(both);
  };
  await context.progress(0, count);
  const firsts = exactFirsts(count, key);
  const distinct: number[] = [];
  for (let row = 0; row < count; row++) if (firsts[row] === row) distinct.push(row);

  const shingles = { ...SHINGLES, shortUnits: options.short_units as number };
  const common = commonShingles(
    distinct.length,
    (i) => sides(distinct[i]!),
    options.near === true ? (options.common_share as number) : 1,
    shingles,
  );
  const index = new NearIndex(options.near === true ? distinct.length : 0, {
    ...shingles,
    common,
    threshold: options.floor as number,
    permutations: options.permutations as number,
    seed: context.seed,
  });
  const groups = new UnionFind(distinct.length);
  if (options.near === true) {
    const total = distinct.length * 2;
    for (const [i, row] of distinct.entries()) {
      index.add(sides(row));
      if (i % EVERY === 0) await context.progress(i, total);
    }
    for (let band = 0; band < index.bands; band++) {
      index.joinBand(band, groups);
      await context.progress(distinct.length * (1 + (band + 1) / index.bands), total);
    }
  }
  const before = staysBefore(rank, length);
  const near = componentPairs(index, groups.groups(), (a, b) => before(distinct[a]!, distinct[b]!));
  const pairs = near.renumber((i) => distinct[i]!, NEARLY_SAME);
  for (let row = 0; row < count; row++) if (firsts[row] !== row) pairs.add(firsts[row]!, row, SAME);
  return { scores: { rank, length }, pairs: pairs.toPairs() };
}

/** Negative when `a` stays rather than `b`: by rank, then length, then place. */
function staysBefore(rank: Float64Array, length: Float64Array): (a: number, b: number) => number {
  return (a, b) => {
    if (rank[a] !== rank[b]) return rank[b]! > rank[a]! ? 1 : -1;
    return length[b]! - length[a]! || a - b;
  };
}
