// In: the tables of error codes and arguments. Out: the reference pages as Markdown, by path. Nothing is read or written.

import { ENGINE_ERROR_CODES } from '../../packages/engine/src/error-codes.ts';
import { type ArgKey, describeType } from '../../packages/factory/src/arguments/key.ts';
import { currentName, OLD_NAMES } from '../../packages/factory/src/arguments/rename.ts';
import { ARG_TABLE, GROUP_TITLES } from '../../packages/factory/src/arguments/table.ts';
import { CLEAN_STEPS } from '../../packages/factory/src/data/clean-steps.ts';
import { ERROR_CODES, type FactoryErrorCode } from '../../packages/factory/src/error-codes.ts';
import { type MetricDefinition, optionKeys } from '../../packages/factory/src/eval/metrics/definition.ts';
import { METRICS } from '../../packages/factory/src/eval/metrics/registry.ts';
import { METRIC_GROUPS } from '../../packages/factory/src/records/metric-names.ts';
import { ENGINE_MEANINGS, FACTORY_MEANINGS } from './error-meanings.ts';

const NOTICE = '<!-- Written by tools/docs/generate.ts from the code; edit the code and run it again. -->';

/** Path from the repository root → content. */
export function referencePages(): Record<string, string> {
  return {
    'docs/reference/clean-steps.md': cleanStepsPage(),
    'docs/reference/errors.md': errorsPage(),
    'docs/reference/metrics.md': metricsPage(),
    'docs/reference/train-arguments.md': argumentsPage(),
  };
}

const ERROR_GROUPS: Record<string, string> = {
  CLI: 'Command line',
  ARGS: 'Arguments',
  DATA: 'Data',
  TOKENS: 'Tokenizer and templates',
  MODEL: 'Base model',
  ADAPTERS: 'Adapters',
  PLAN: 'Planning',
  TRAIN: 'Training',
  EVAL: 'Evaluation',
  EXPORT: 'Export',
  SERVE: 'Serving',
  STORE: 'Files of a run',
  ENV: 'Environment',
};

function cleanStepsPage(): string {
  const both = ({ en, zh }: { en: string; zh: string }) => `${en}<br>${zh}`;
  const sections = CLEAN_STEPS.flatMap(({ name, kind, title, options, scores, labels, reasons }) => [
    `## \`${name}\`: ${title.en} · ${title.zh}`,
    '',
    kind === 'row' ? 'Looks at one row at a time.' : 'Looks at all rows together.',
    '',
    ...(Object.keys(options).length === 0
      ? []
      : [
          ...table(
            ['option', 'default', 'moved by', 'meaning · 含义'],
            Object.entries(options).map(([option, spec]) => [
              `\`${option}\``,
              `\`${JSON.stringify(spec.default)}\``,
              spec.role === 'decide' ? '`data decide --set`' : 'another run',
              both(spec.text),
            ]),
          ),
          '',
        ]),
    ...table(
      ['reason', 'verdict', 'rule', 'meaning · 含义'],
      Object.entries(reasons).map(([reason, { verdict, rule, text }]) => [
        `\`${reason}\``,
        verdict === 'keep' ? 'flag' : verdict,
        rule === undefined ? '' : `\`${rule.score}\` ${rule.when} \`${rule.option}\``,
        both(text),
      ]),
    ),
    '',
    ...[...Object.entries(scores), ...Object.entries(labels ?? {})].map(
      ([score, text]) => `- \`${score}\`: ${text.en} · ${text.zh}`,
    ),
    ...(Object.keys(scores).length + Object.keys(labels ?? {}).length > 0 ? [''] : []),
  ]);
  return [
    NOTICE,
    '',
    '# Steps of data cleaning',
    '',
    'What a recipe may name under `steps` ([guide](../guides/clean-data.md)). Every row that a step drops, merges or edits has one',
    'of these reasons in the ledger; `flag` marks a row for people and drops nothing. A threshold may be null, which switches its',
    'rule off.',
    '',
    ...sections,
  ].join('\n');
}

function metricsPage(): string {
  const bound = (value: number): string => (Number.isFinite(value) ? `${value}` : value < 0 ? '−∞' : '∞');
  const sections = Object.entries(METRIC_GROUPS).flatMap(([title, names]) => [
    `## ${title}`,
    '',
    ...table(
      ['name', 'better', 'range', 'what it is', 'definition and edges', 'options'],
      names.map((name) => {
        const { direction, range, summary, source } = METRICS[name];
        return [
          `\`${name}\``,
          direction,
          range.map(bound).join(' to '),
          summary,
          source,
          optionsOf(METRICS[name]),
        ];
      }),
    ),
    '',
  ]);
  return [
    NOTICE,
    '',
    '# Metrics',
    '',
    'What comes after `@` in a name is the variant: numbers of different variants are not comparable. Every value has an',
    'interval: Wilson where it is a share of independent rows, otherwise the bootstrap over rows, or over clusters where rows',
    'have one. Where there is no value, or no interval, there is a reason instead of a number. A row without an answer is',
    'scored as an empty answer (likelihood and latency leave it out) and counted as invalid. An option with `=` has that default; the others must be given.',
    '',
    ...sections,
  ].join('\n');
}

function optionsOf(metric: MetricDefinition): string {
  return optionKeys(metric)
    .map(({ name, required, default: value }) => {
      if (value !== undefined) return `\`${name}=${JSON.stringify(value)}\``;
      return required ? `\`${name}\`` : `\`${name}\` (may be left out)`;
    })
    .join(', ');
}

function errorsPage(): string {
  const codes = Object.keys(ERROR_CODES) as FactoryErrorCode[];
  const groups = [...new Set(codes.map((code) => code.split('_')[0]))];
  const sections = groups.flatMap((group) => [
    `## ${ERROR_GROUPS[group] ?? group}`,
    '',
    ...table(
      ['code', 'kind', 'exit', 'what happened', 'what to do'],
      codes
        .filter((code) => code.startsWith(`${group}_`))
        .map((code) => [
          `\`${code}\``,
          ERROR_CODES[code].kind,
          ERROR_CODES[code].exit,
          ...FACTORY_MEANINGS[code],
        ]),
    ),
    '',
  ]);
  const engine = Object.entries(ENGINE_ERROR_CODES).map(([code, kind]) => [
    `\`${code}\``,
    kind,
    3,
    ...ENGINE_MEANINGS[code as keyof typeof ENGINE_ERROR_CODES],
  ]);
  return [
    NOTICE,
    '',
    '# Errors',
    '',
    'Every error has a code, a message (expected, found, where) and a remedy. With `--json` it is one line on standard',
    'error: `{"error": {"code", "message", "remedy", "details"}}`. A bad row is no error: it is counted and listed in',
    '`row_issues.jsonl`.',
    '',
    ...table(
      ['exit status', 'meaning'],
      [
        [0, 'done'],
        [1, 'a rule said no (kind `gate`): too many bad rows, drift, divergence'],
        [2, 'input or data (kind `user`)'],
        [3, 'the machine: disk, network, memory, Node (kind `environment`), or an error of the engine'],
        [4, 'a fault in the program; the message begins with `internal:` or shows a stack'],
        [130, 'interrupted by Ctrl-C or SIGTERM'],
      ],
    ),
    '',
    ...sections,
    '## Engine',
    '',
    ...table(['code', 'kind', 'exit', 'what happened', 'what to do'], engine),
    '',
  ].join('\n');
}

const STATUSES = ['supported', 'no_effect', 'refused'] as const;

function argumentsPage(): string {
  const keys = [...ARG_TABLE.values()];
  const count = (status: ArgKey['status']) => keys.filter((key) => key.status === status).length;
  const sections = Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const own = keys.filter((key) => key.group === group);
    if (own.length === 0) return [];
    const sorted = STATUSES.flatMap((status) => own.filter((key) => key.status === status));
    return [
      `## ${title}`,
      '',
      ...table(['key', 'type', 'default', 'status', 'meaning'], sorted.map(keyRow)),
      '',
    ];
  });
  return [
    NOTICE,
    '',
    '# Arguments of `tunesmith train`',
    '',
    `All ${keys.length} keys that are known by name. Nothing is ignored: a key that is not here is an error with a suggestion.`,
    '',
    ...table(
      ['status', 'keys', 'meaning'],
      [
        ['supported', count('supported'), 'it acts'],
        ['no effect', count('no_effect'), 'accepted with a note: no value of it can change the result here'],
        ['refused', count('refused'), 'an error with the reason, unless the key keeps its default'],
      ],
    ),
    '',
    'An empty default means: derived from other keys, or none. `tunesmith help KEY` says the same in the terminal.',
    '',
    ...sections,
    '## Older names',
    '',
    'Read as today’s key, with a note.',
    '',
    ...table(
      ['older name', "today's key"],
      OLD_NAMES.map((name) => [`\`${name}\``, `\`${currentName(name)}\``]),
    ),
    '',
  ].join('\n');
}

function keyRow(key: ArgKey): (string | number)[] {
  const refused = Object.entries(key.refusedValues ?? {});
  const values = refused.length === 0 ? [] : [`refused: ${refused.map(([value]) => value).join(', ')}`];
  return [
    `\`${key.name}\``,
    `${describeType(key.type)}${key.type.optional ? ', or None' : ''}`,
    showDefault(key.default),
    key.status.replace('_', ' '),
    [key.meaning, ...(key.why === undefined ? [] : [key.why]), ...values].join('; '),
  ];
}

function showDefault(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '';
  const text = Array.isArray(value)
    ? value.join(',')
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
  return `\`${text}\``;
}

function table(header: string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const line = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), `|${header.map(() => '---').join('|')}|`, ...rows.map(line)];
}
