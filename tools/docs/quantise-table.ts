// In: results of `npm run bench -- quantise`. Out: their tables in the two languages, as they stand in the export guides between
// two marks. Nothing is read or written.

interface Result {
  model: string;
  about: { en: string; zh: string };
  date: string;
  cpu: string;
  positions: number;
  source: { type: string; bytes: number; perplexity: number; tokens_per_cpu_second: number };
  types: {
    type: string;
    bytes: number;
    bits_per_weight: number;
    perplexity_change: { percent: number; low: number; high: number };
    same_token: number;
    tokens_per_cpu_second: number;
    fallbacks: number;
  }[];
}

type Language = 'en' | 'zh';

const HEADS: Record<Language, string[]> = {
  en: [
    'type',
    'size',
    'bits per weight',
    'perplexity',
    '95 % interval',
    'same likeliest token',
    'tokens/s',
    'fallbacks',
  ],
  zh: [
    '类型',
    '大小',
    '每权重位数',
    '困惑度变化',
    '95 % 区间',
    '最可能的 token 相同',
    'token/秒',
    '回退张量',
  ],
};
const BEGIN = '<!-- quantise table: written by tools/docs/generate.ts from benchmarks/quantise/results -->';
const END = '<!-- end of quantise table -->';

/** The page with the tables between the marks, or as it is where it has none. */
export function withQuantiseTables(page: string, results: readonly Result[], language: Language): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) return page;
  const tables = results.map((result) => quantiseTable(result, language)).join('\n');
  return `${page.slice(0, from + BEGIN.length)}\n\n${tables}\n${page.slice(to)}`;
}

function quantiseTable(result: Result, language: Language): string {
  const { source } = result;
  const rows = [
    [source.type, megabytes(source.bytes), '', '', '', '', String(source.tokens_per_cpu_second), ''],
    // The type of the source is only copied.
    ...result.types
      .filter((row) => row.type !== source.type)
      .map((row) => {
        const { percent, low, high } = row.perplexity_change;
        return [
          row.type,
          megabytes(row.bytes),
          row.bits_per_weight.toFixed(2),
          signed(percent),
          `${signed(low)} … ${signed(high)}`,
          `${(100 * row.same_token).toFixed(1)} %`,
          String(row.tokens_per_cpu_second),
          String(row.fallbacks),
        ];
      }),
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const title =
    language === 'en'
      ? `**${result.model}** (${result.about.en}): perplexity ${source.perplexity.toFixed(2)} on ${result.positions} tokens; ${result.cpu}, ${result.date}`
      : `**${result.model}**（${result.about.zh}）：${result.positions} 个 token 上的困惑度 ${source.perplexity.toFixed(2)}；${result.cpu}，${result.date}`;
  const divider = HEADS[language].map((_, i) => (i === 0 ? '---' : '---:'));
  return [title, '', line(HEADS[language]), line(divider), ...rows.map(line), ''].join('\n');
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB`;
const signed = (percent: number) => `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(2)} %`;
