// In: a row whose prompt holds an e-mail (subject line, then body). Out: the same without what tells where the mail was collected
// or is long without meaning: list tags, quoted answers, list footers, addresses, links, rulers, encoded blocks.
import { mapTexts } from '#factory/records/clean-row.ts';
import type { RowStep, StepText } from '../clean-step.ts';

interface Trace {
  pattern: RegExp;
  replacement: string;
  text: StepText;
}

const TRACES: Record<string, Trace> = {
  list_tag_removed: {
    pattern: /(?<=^Subject:.*)\[[^\]\n]{2,40}\][^\S\n]*/gm,
    replacement: '',
    text: { en: 'the name of a mailing list left the subject', zh: '已从主题中删除邮件列表名称' },
  },
  footer_removed: {
    pattern: /\n[-_=*]{5,}\n[^\n]*(mailing list|sponsored by|Yahoo! Groups|Sponsor)[\s\S]*$/gi,
    replacement: '',
    text: { en: 'the footer of a mailing list was removed', zh: '已删除邮件列表页脚' },
  },
  quoted_lines_removed: {
    pattern: /^[>|].*\n?/gm,
    replacement: '',
    text: { en: 'lines quoted from another mail were removed', zh: '已删除引用的邮件行' },
  },
  links_replaced: {
    pattern: /<?\b(https?|ftp):\/\/[^\s<>"]+>?|\bwww\.[^\s<>"]+/gi,
    replacement: '[link]',
    text: { en: 'links became [link]', zh: '链接已替换为 [link]' },
  },
  addresses_replaced: {
    pattern: /<?(mailto:)?[\w.+%-]+@[\w.-]+\.\w+>?/gi,
    replacement: '[email]',
    text: { en: 'e-mail addresses became [email]', zh: '邮箱地址已替换为 [email]' },
  },
  signs_shortened: {
    pattern: /([^\p{L}\p{N}\s])\1{3,}/gu,
    replacement: '$1$1$1',
    text: { en: 'rulers and runs of one sign became three signs', zh: '连续重复的符号已缩短为三个' },
  },
  blocks_removed: {
    pattern: /[A-Za-z0-9+/]{60,}/g,
    replacement: '',
    text: { en: 'blocks of encoded data were removed', zh: '已删除编码数据块' },
  },
};

/** One trace may leave white space behind, which is tidied under the trace's own name. */
const tidy = (text: string) =>
  text
    .replace(/ {2,}/g, ' ')
    .replace(/\n{3,}/g, '\n\n')
    .trim();

export const mailTracesStep: RowStep = {
  kind: 'row',
  name: 'mail-traces',
  version: 1,
  title: { en: 'Traces of mail programs', zh: '邮件程序痕迹' },
  options: {},
  scores: {},
  reasons: Object.fromEntries(
    Object.entries(TRACES).map(([reason, { text }]) => [reason, { verdict: 'edit' as const, text }]),
  ),
  create: () => (row, found) => {
    const counts = new Map<string, number>();
    const cleaned = mapTexts(row, (text, { role }) => {
      if (role !== 'user') return text;
      let changed = text;
      for (const [reason, { pattern, replacement }] of Object.entries(TRACES)) {
        const count = changed.match(pattern)?.length ?? 0;
        if (count === 0) continue;
        counts.set(reason, (counts.get(reason) ?? 0) + count);
        changed = changed.replace(pattern, replacement);
      }
      return changed === text ? text : tidy(changed);
    });
    if (cleaned !== row) for (const [reason, count] of counts) found.edited(reason, count);
    return cleaned;
  },
};
