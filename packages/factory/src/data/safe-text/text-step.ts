// In: a row. Out: the row with the damage of its texts repaired, each kind with a count and a sample. The default step of
// the recipe sft-safe: nothing here is a matter of taste.
import { mapTexts, textsOf } from '#factory/records/clean-row.ts';
import type { OptionSpec, RowStep, StepText } from '../clean-step.ts';
import { isAboutMarkup } from './html-remnants.ts';
import { cleanSafely, type Repair, type SafeTextOptions } from './safe-text.ts';

const option = (en: string, zh: string): OptionSpec => ({
  type: 'boolean',
  default: true,
  role: 'score',
  text: { en, zh },
});

const REASONS: Record<Repair, { code: string; text: StepText }> = {
  mojibake: {
    code: 'mojibake_repaired',
    text: { en: 'text in the wrong encoding was decoded again', zh: '乱码（编码错误的文本）已还原' },
  },
  html: {
    code: 'html_removed',
    text: {
      en: 'HTML tags or entities left in prose were removed',
      zh: '正文中残留的 HTML 标签或实体已清除',
    },
  },
  controls: {
    code: 'controls_removed',
    text: {
      en: 'control characters were removed, line ends made plain',
      zh: '控制字符已删除，换行符已统一',
    },
  },
  spaces: {
    code: 'spaces_trimmed',
    text: {
      en: 'white space at the end of lines or around the text was removed',
      zh: '行尾或首尾空白已删除',
    },
  },
  nfc: {
    code: 'characters_composed',
    text: { en: 'letters and their accents were composed (NFC)', zh: '字符已按 NFC 规范合成' },
  },
};

export const textStep: RowStep = {
  kind: 'row',
  name: 'text',
  version: 1,
  title: { en: 'Text repair', zh: '文本修复' },
  options: {
    mojibake: option('undo wrong decoding', '还原乱码'),
    html: option(
      'remove HTML that was left in prose; rows about markup keep theirs',
      '清除正文中残留的 HTML；讨论标记语言的行保持不变',
    ),
    controls: option(
      'remove control characters, byte order marks and lone surrogates',
      '删除控制字符、字节序标记与孤立代理项',
    ),
    spaces: option('remove white space at the end of lines and of texts', '删除行尾与文末空白'),
    nfc: option('compose characters (NFC)', '按 NFC 合成字符'),
  },
  scores: {},
  reasons: Object.fromEntries(
    Object.values(REASONS).map(({ code, text }) => [code, { verdict: 'edit' as const, text }]),
  ),
  create: (given) => {
    const options = { ...given } as unknown as SafeTextOptions;
    return (row, found) => {
      const counts = new Map<Repair, { count: number; how: string }>();
      let keepsMarkup: boolean | null = null;
      const cleaned = mapTexts(row, (text) => {
        // Asked only where there may be HTML, and of the row as a whole: the answer's tags may be what the prompt wants.
        if (options.html && keepsMarkup === null && /[&<]/.test(text))
          keepsMarkup = [...textsOf(row)].some(({ text: any }) => isAboutMarkup(any));
        return cleanSafely(
          text,
          { ...options, html: options.html && keepsMarkup !== true },
          (repair, how) => {
            const before = counts.get(repair);
            if (before === undefined) counts.set(repair, { count: 1, how });
            else before.count++;
          },
        );
      });
      // Two repairs may undo each other; a row that is as it was has no edits.
      if (cleaned !== row)
        for (const [repair, { count, how }] of counts) found.edited(REASONS[repair].code, count, how);
      return cleaned;
    };
  },
};
