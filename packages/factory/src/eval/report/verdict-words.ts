// In: criteria, decisions, warnings and notes. Out: the sentences for them, in English and Chinese. Nothing else is
// translated elsewhere, so that the terminal and the page say the same.
import type { ComparisonNote, CostFact } from '#factory/records/comparison.ts';
import type {
  Criterion,
  CriterionState,
  Decision,
  Verdict,
  VerdictWarning,
} from '#factory/records/verdict.ts';
import { formatDelta, formatRange, formatValue } from './format.ts';
import type { Both } from './page.ts';

export const DECISION_WORDS: Record<Decision, Both> = {
  ship: { en: 'Ship', zh: '可以上线' },
  do_not_ship: { en: 'Do not ship', zh: '不要上线' },
  not_enough_evidence: { en: 'Not enough evidence', zh: '证据不足' },
};

export const STATE_WORDS: Record<CriterionState, Both> = {
  met: { en: 'met', zh: '达标' },
  failed: { en: 'failed', zh: '未达标' },
  open: { en: 'open', zh: '未定' },
};

const KIND_WORDS: Record<Criterion['kind'], Both> = {
  rows: { en: 'evidence', zh: '样本量' },
  goal: { en: 'goal', zh: '目标' },
  guardrail: { en: 'guardrail', zh: '护栏' },
  slices: { en: 'guardrail, slices', zh: '护栏（分组）' },
  limit: { en: 'limit', zh: '上限' },
  training_data: { en: 'training data', zh: '训练数据' },
};

export const kindWords = ({ kind }: Criterion): Both => KIND_WORDS[kind];

const NAMES: Readonly<Record<string, Both>> = {
  rows: { en: 'rows', zh: '行数' },
  overlap: { en: 'rows the model was trained on', zh: '模型训练时见过的行' },
  first_token_p95_ms: { en: 'time to the first token, p95', zh: '首 token 延迟 p95' },
  latency_p95_ms: { en: 'time to the last token, p95', zh: '完整回答延迟 p95' },
  memory: { en: 'peak memory', zh: '内存峰值' },
  model_size: { en: 'model size', zh: '模型大小' },
};

/** What is judged. Names of metrics are the same in both languages. */
export const nameWords = ({ name }: Criterion): Both => NAMES[name] ?? { en: name, zh: name };

/** As `gain at least +2.0 pp`. */
export function ruleWords({ about, side, bound, unit, kind }: Criterion): Both {
  const value = about === 'value' ? formatValue(bound, unit) : formatDelta(bound, unit).replace('+', '');
  if (about === 'gain')
    return bound === 0
      ? { en: 'gain above 0', zh: '提升大于 0' }
      : { en: `gain at least ${value}`, zh: `提升至少 ${value}` };
  if (about === 'loss')
    return kind === 'slices'
      ? { en: `no slice shown to lose more than ${value}`, zh: `没有任何分组被证实下降超过 ${value}` }
      : { en: `loss at most ${value}`, zh: `下降不超过 ${value}` };
  return side === 'at_least'
    ? { en: `at least ${value}`, zh: `至少 ${value}` }
    : { en: `at most ${value}`, zh: `至多 ${value}` };
}

/** As `+5.3 pp (3.1 … 7.4)`. A number without an interval was measured once, or counted. */
export function foundWords({ found: measured, about, unit, where }: Criterion): Both {
  if (measured === null) return { en: 'not measured', zh: '未测量' };
  // A loss is shown as the change that it is: −2 pp, not "a loss of 2 pp".
  const found = about === 'loss' ? changed(measured) : measured;
  const value = about === 'value' ? formatValue(found.value, unit) : formatDelta(found.value, unit);
  const range = found.interval === null ? '' : ` (${formatRange(found.interval, unit)})`;
  const text = `${value}${range}`;
  return where === undefined
    ? { en: text, zh: text }
    : { en: `worst ${where}: ${text}`, zh: `最差 ${where}：${text}` };
}

function changed({ value, interval }: NonNullable<Criterion['found']>): NonNullable<Criterion['found']> {
  return {
    value: -value,
    interval: interval && { ...interval, low: -interval.high, high: -interval.low },
  };
}

export function moreWords({ state, moreRows }: Criterion): Both | null {
  if (state !== 'open') return null;
  if (moreRows === null || moreRows === undefined)
    return { en: 'more rows will not settle it', zh: '增加行数无法定论' };
  return { en: `about ${moreRows} more rows`, zh: `大约还需 ${moreRows} 行` };
}

/** The decision in one sentence, with its reason. */
export function reasonWords({ decision, criteria, moreRows }: Verdict): Both {
  const list = (state: CriterionState, language: keyof Both) =>
    [...new Set(criteria.filter((one) => one.state === state).map((one) => nameWords(one)[language]))].join(
      language === 'en' ? ', ' : '、',
    );
  if (decision === 'ship')
    return {
      en: `All ${criteria.length} criteria are met, each with its whole interval.`,
      zh: `${criteria.length} 条标准全部达标，且整个置信区间都在标准之内。`,
    };
  if (decision === 'do_not_ship')
    return {
      en: `The data show that the candidate misses: ${list('failed', 'en')}.`,
      zh: `数据表明候选模型未达标：${list('failed', 'zh')}。`,
    };
  const advice =
    moreRows === null
      ? {
          en: ' Reasonably many more rows would not settle all of them: measure what is missing, or wait for a clearer difference.',
          zh: '增加合理数量的行也无法全部定论：请补测缺失项，或等待更明显的差异。',
        }
      : {
          en: ` About ${moreRows} more rows would probably settle it.`,
          zh: `大约再评测 ${moreRows} 行就有望得出结论。`,
        };
  return {
    en: `The data can neither show nor rule out: ${list('open', 'en')}.${advice.en}`,
    zh: `现有数据既不能证实也不能否定：${list('open', 'zh')}。${advice.zh}`,
  };
}

export function warningWords({ kind, detail }: VerdictWarning): Both {
  const [a, b] = detail.split(', ');
  return {
    rules_newer: {
      en: `The rule file was changed after the evaluation began (${detail}), so it may have been fitted to the result.`,
      zh: `规则文件在评测开始之后被修改（${detail}），可能是按结果调整的。`,
    },
    training_data_unknown: {
      en: `The training data of ${detail} is not known, so it could not be checked against the evaluation data.`,
      zh: `${detail} 的训练数据未知，无法检查它与评测数据是否重叠。`,
    },
    failed_rows: {
      en: `Rows without an answer: ${a} of the base, ${b} of the candidate. They count as wrong.`,
      zh: `没有得到回答的行：基线 ${a} 行，候选 ${b} 行，均按错误计。`,
    },
  }[kind];
}

export function noteWords({ kind, detail }: ComparisonNote): Both {
  return {
    metric_on_one_side: { en: `Only one side has: ${detail}.`, zh: `只有一方有：${detail}。` },
    different_prediction: {
      en: `The two were asked in different ways: ${detail}.`,
      zh: `两个模型的预测方式不同：${detail}。`,
    },
    different_machine: {
      en: `The two ran on different machines, so their times cannot be compared: ${detail}.`,
      zh: `两次评测的机器不同，耗时不可比：${detail}。`,
    },
    metric_failed: { en: `Not comparable: ${detail}.`, zh: `无法比较：${detail}。` },
  }[kind];
}

export const COST_WORDS: Record<CostFact['name'], Both> = {
  peak_memory: { en: 'peak memory', zh: '内存峰值' },
  model_size: { en: 'model size', zh: '模型大小' },
  seconds_per_row: { en: 'seconds per row', zh: '每行秒数' },
  prompt_tokens_per_row: { en: 'prompt tokens per row', zh: '每行提示 token 数' },
  new_tokens_per_row: { en: 'new tokens per row', zh: '每行生成 token 数' },
};
