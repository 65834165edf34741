// In: a comparison. Out: it as one HTML file.
import type { Comparison } from '#factory/records/comparison.ts';
import { comparisonSections } from './comparison-sections.ts';
import { both, page, text } from './page.ts';

export function comparisonPage(comparison: Comparison): string {
  const { base, candidate, rows } = comparison;
  const what = {
    en: `${candidate.name} against ${base.name}, on ${rows} rows`,
    zh: `${candidate.name} 对比 ${base.name}，共 ${rows} 行`,
  };
  const head = `<header class="decision"><h1>${both({ en: 'Comparison', zh: '对比' })}</h1><p>${both(what)}</p><p class="what">${text(candidate.folder)} · ${text(base.folder)}</p></header>`;
  return page({ en: 'Comparison', zh: '对比' }, [head, ...comparisonSections(comparison)].join('\n'));
}
