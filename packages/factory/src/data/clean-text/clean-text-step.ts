// In: a row. Out: the row as clean() of clean-text 0.7.1 would have it, and what that destroyed: Han characters that became
// pinyin or nothing, and code, maths or JSON that changed. Both are flags with counts and samples, since whoever asks for
// this profile should see them before training.
import { mapTexts } from '#factory/records/clean-row.ts';
import type { OptionSpec, RowStep } from '../clean-step.ts';
import { segmentsOf } from '../safe-text/segments.ts';
import { CLEAN_TEXT_DEFAULTS, type CleanTextOptions, cleaner } from './clean.ts';

/** The options of clean() by their own names and with its defaults. */
function specs(): Record<string, OptionSpec> {
  const found: Record<string, OptionSpec> = {};
  for (const [name, value] of Object.entries(CLEAN_TEXT_DEFAULTS)) {
    const type = Array.isArray(value) ? 'texts' : typeof value === 'boolean' ? 'boolean' : 'text';
    found[name] = {
      type,
      default: value,
      role: 'score',
      ...(name === 'replace_with_currency_symbol' ? { optional: true } : {}),
      text: { en: `as in clean() of clean-text: ${name}`, zh: `与 clean-text 的 clean() 中 ${name} 相同` },
    };
  }
  return found;
}

export const cleanTextStep: RowStep = {
  kind: 'row',
  name: 'clean-text',
  version: 1,
  title: { en: 'clean-text 0.7 (compatibility)', zh: 'clean-text 0.7（兼容）' },
  options: {
    ...specs(),
    max_han_lost: {
      type: 'integer',
      default: 0,
      role: 'decide',
      optional: true,
      min: 0,
      text: { en: 'Han characters that may be lost without a flag', zh: '允许丢失而不标记的汉字数' },
    },
    max_code_changed: {
      type: 'integer',
      default: 0,
      role: 'decide',
      optional: true,
      min: 0,
      text: {
        en: 'pieces of code, maths or JSON that may change without a flag',
        zh: '允许改变而不标记的代码、公式或 JSON 片段数',
      },
    },
  },
  scores: {
    han_lost: { en: 'Han characters that are gone', zh: '丢失的汉字数' },
    code_changed: {
      en: 'pieces of code, maths or JSON that changed',
      zh: '被改变的代码、公式或 JSON 片段数',
    },
  },
  reasons: {
    clean_text_applied: {
      verdict: 'edit',
      text: { en: 'changed by clean-text', zh: '被 clean-text 修改' },
    },
    clean_text_destroyed_han: {
      verdict: 'keep',
      rule: { score: 'han_lost', when: 'above', option: 'max_han_lost' },
      text: {
        en: 'clean-text took away Chinese characters; use the step text instead',
        zh: 'clean-text 毁掉了汉字；请改用步骤 text',
      },
    },
    clean_text_destroyed_code: {
      verdict: 'keep',
      rule: { score: 'code_changed', when: 'above', option: 'max_code_changed' },
      text: {
        en: 'clean-text changed code, maths or JSON; use the step text instead',
        zh: 'clean-text 改变了代码、公式或 JSON；请改用步骤 text',
      },
    },
  },
  create: (given) => {
    const clean = cleaner(given as unknown as CleanTextOptions);
    return (row, found) => {
      let hanLost = 0;
      let codeChanged = 0;
      let changed = 0;
      let sample = '';
      let weight = -1;
      const cleaned = mapTexts(row, (text) => {
        const after = clean(text);
        if (after === text) return text;
        changed++;
        const han = Math.max(0, countHan(text) - countHan(after));
        const code = segmentsOf(text).filter((one) => isCode(one.kind) && !after.includes(one.text)).length;
        hanLost += han;
        codeChanged += code;
        // The text that lost most is the one to show.
        if (han + code > weight) {
          weight = han + code;
          sample = `${JSON.stringify(text.slice(0, 60))} → ${JSON.stringify(after.slice(0, 60))}`;
        }
        return after;
      });
      found.score('han_lost', hanLost);
      found.score('code_changed', codeChanged);
      if (changed > 0) found.edited('clean_text_applied', changed, sample);
      return cleaned;
    };
  },
};

const isCode = (kind: string) => kind === 'code' || kind === 'math' || kind === 'json';

function countHan(text: string): number {
  return text.match(/\p{Script=Han}/gu)?.length ?? 0;
}
