// In: a verdict. Out: one HTML file for the person who decides: the decision first, then why, then everything that it rests
// on: criteria, metrics, slices, costs, changed rows, worst answers, data, configuration.
import type { Verdict, WorstExample } from '#factory/records/verdict.ts';
import { comparisonSections, textCell } from './comparison-sections.ts';
import { type Both, both, details, page, section, table, text } from './page.ts';
import {
  DECISION_WORDS,
  foundWords,
  kindWords,
  moreWords,
  nameWords,
  reasonWords,
  ruleWords,
  STATE_WORDS,
  warningWords,
} from './verdict-words.ts';

export function dossier(verdict: Verdict): string {
  const title = DECISION_WORDS[verdict.decision];
  const warnings = verdict.warnings.map((one) => `<p class="warning">${both(warningWords(one))}</p>`);
  return page(
    {
      en: `${title.en}: ${verdict.comparison.candidate.name}`,
      zh: `${title.zh}：${verdict.comparison.candidate.name}`,
    },
    [
      head(verdict),
      ...warnings,
      criteriaSection(verdict),
      ...comparisonSections(verdict.comparison),
      verdict.worst.length === 0 ? '' : worstSection(verdict.worst),
      dataSection(verdict),
      readingSection(),
    ].join('\n'),
  );
}

function head(verdict: Verdict): string {
  const { decision, rules, comparison } = verdict;
  const what = {
    en: `${comparison.candidate.name} in place of ${comparison.base.name} · rules “${rules.name}” · ${comparison.rows} rows`,
    zh: `用 ${comparison.candidate.name} 替换 ${comparison.base.name} · 规则“${rules.name}” · ${comparison.rows} 行`,
  };
  return `<header class="decision ${decision}"><h1>${both(DECISION_WORDS[decision])}</h1><p>${both(reasonWords(verdict))}</p><p class="what">${both(what)}</p></header>`;
}

function criteriaSection({ criteria }: Verdict): string {
  const heads: Both[] = [
    { en: 'kind', zh: '类型' },
    { en: 'criterion', zh: '标准' },
    { en: 'rule', zh: '规则' },
    { en: 'found', zh: '实测' },
    { en: 'result', zh: '结论' },
  ];
  return section(
    { en: 'Criteria', zh: '判定标准' },
    table(
      heads.map(both),
      criteria.map((one) => {
        const more = moreWords(one);
        return {
          mark: one.state,
          cells: [
            both(kindWords(one)),
            both(nameWords(one)),
            both(ruleWords(one)),
            both(foundWords(one)),
            `<span class="state">${both(STATE_WORDS[one.state])}</span>${more ? `<br><small>${both(more)}</small>` : ''}`,
          ],
        };
      }),
    ),
    {
      en: 'Stated before the run. Met: the whole interval is on the right side of the bound. Failed: it is wholly on the wrong side. Open: it covers the bound. All criteria must be met.',
      zh: '标准在评测前写定。达标：整个区间都在界限的正确一侧；未达标：整个区间都在错误一侧；未定：区间跨过界限。全部达标才能上线。',
    },
  );
}

function worstSection(worst: readonly WorstExample[]): string {
  const heads: Both[] = [
    { en: 'row', zh: '行' },
    { en: 'prompt', zh: '提示' },
    { en: 'right answer', zh: '正确答案' },
    { en: 'candidate', zh: '候选' },
    { en: 'how sure', zh: '置信度' },
  ];
  return section(
    { en: 'Wrong answers of the candidate', zh: '候选模型的错误回答' },
    table(
      heads.map(both),
      worst.map((row) => ({
        cells: [
          text(row.id),
          textCell(row.prompt),
          textCell(row.references.join(' | ')),
          row.failure === null ? textCell(row.prediction) : `<em>${text(row.failure)}</em>`,
          row.confidence === null ? '–' : `${(100 * row.confidence).toFixed(0)} %`,
        ],
      })),
    ),
    {
      en: 'The surest first; what was not answered at all comes before them.',
      zh: '按模型的把握从高到低排列；未能回答的行排在最前。',
    },
  );
}

function dataSection({ base, candidate, rules, comparison, version, madeAt }: Verdict): string {
  const fact = (name: Both, ...values: string[]) => ({ cells: [both(name), ...values.map(code)] });
  const adapters = (record: typeof base) =>
    record.model.adapters.map(({ path, sha256 }) => `${path} ${sha256.slice(0, 16)}`).join(', ') || '–';
  const overlap = ({ data }: typeof base) => (data.overlap === null ? '?' : `${data.overlap}`);
  const rows = [
    fact({ en: 'folder', zh: '目录' }, comparison.base.folder, comparison.candidate.folder),
    fact({ en: 'model', zh: '模型' }, base.model.path, candidate.model.path),
    fact(
      { en: 'model, SHA-256', zh: '模型 SHA-256' },
      base.model.sha256 ?? '–',
      candidate.model.sha256 ?? '–',
    ),
    fact({ en: 'adapters', zh: '适配器' }, adapters(base), adapters(candidate)),
    fact(
      { en: 'data, SHA-256 of content', zh: '数据内容 SHA-256' },
      base.data.contentSha256,
      candidate.data.contentSha256,
    ),
    fact({ en: 'rows the model was trained on', zh: '训练时见过的行' }, overlap(base), overlap(candidate)),
    fact(
      { en: 'rows of the files that could not be used', zh: '文件中无法使用的行' },
      `${base.data.dropped}`,
      `${candidate.data.dropped}`,
    ),
    fact({ en: 'machine', zh: '机器' }, machineOf(base), machineOf(candidate)),
    fact({ en: 'began', zh: '开始' }, base.startedAt, candidate.startedAt),
    fact({ en: 'ended', zh: '结束' }, base.finishedAt ?? '–', candidate.finishedAt ?? '–'),
  ];
  const heads: Both[] = [
    { en: '', zh: '' },
    { en: 'base', zh: '基线' },
    { en: 'candidate', zh: '候选' },
  ];
  const files = base.data.files.map(({ path, sha256 }) => ({ cells: [code(path), code(sha256)] }));
  const { path, sha256, modifiedAt, ...ruled } = rules;
  return section(
    { en: 'Data and configuration', zh: '数据与配置' },
    [
      table(heads.map(both), rows),
      `<h3>${both({ en: 'Data files', zh: '数据文件' })}</h3>`,
      table([both({ en: 'file', zh: '文件' }), 'SHA-256'], files),
      `<h3>${both({ en: 'Rules', zh: '规则' })}</h3><p><code>${text(path)}</code> · SHA-256 <code>${text(sha256)}</code> · ${text(modifiedAt)}</p>`,
      details({ en: 'Rules as read', zh: '读入的规则' }, json(ruled)),
      details({ en: 'Configuration of the base', zh: '基线的配置' }, json(base.config)),
      details({ en: 'Configuration of the candidate', zh: '候选的配置' }, json(candidate.config)),
      `<p class="note">Tunesmith ${text(version)} · ${text(madeAt)} · ${both({
        en: `${comparison.resamples} resamples, seed ${comparison.seed}`,
        zh: `重抽样 ${comparison.resamples} 次，种子 ${comparison.seed}`,
      })}</p>`,
    ].join(''),
  );
}

const code = (raw: string) => `<code>${text(raw)}</code>`;
const json = (value: unknown) => `<pre>${text(JSON.stringify(value, null, 2))}</pre>`;
const machineOf = ({ machine }: Verdict['base']) =>
  `${machine.processor}, ${machine.threads} threads, ${machine.system}`;

function readingSection(): string {
  const lines: Both[] = [
    {
      en: 'An interval holds the values that the data are compatible with. More rows make it narrower.',
      zh: '区间给出与数据相容的取值范围，行数越多区间越窄。',
    },
    {
      en: 'Both models answered the same rows, so what makes a row hard cancels out of a difference.',
      zh: '两个模型回答的是相同的行，因此题目本身的难度在差值中相互抵消。',
    },
    {
      en: 'p is the chance to see such a difference where there is none; many tests make some small p likely, which the correction takes into account.',
      zh: 'p 是在没有真实差异时仍看到这种差异的概率；检验越多越容易出现小 p 值，校正已考虑这一点。',
    },
    {
      en: 'pp are percentage points: from 80 % to 82 % are 2 pp.',
      zh: 'pp 表示百分点：从 80 % 到 82 % 是 2 pp。',
    },
  ];
  return section(
    { en: 'How to read this', zh: '如何阅读' },
    `<ul>${lines.map((line) => `<li>${both(line)}</li>`).join('')}</ul>`,
  );
}
