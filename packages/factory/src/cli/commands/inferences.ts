// In: the words after `tunesmith inferences`. Out: what the log of served requests holds, as a table, one by one, or as rows.
import { readCommandWords } from '#factory/arguments/command-words.ts';
import { INFERENCES_ACTIONS, type InferencesAction } from '#factory/arguments/inference-keys.ts';
import { suggest } from '#factory/arguments/suggest.ts';
import { FactoryError } from '#factory/errors.ts';
import type { StoredInference } from '#factory/records/inference.ts';
import {
  type InferenceFilter,
  type InferenceReader,
  openInferenceReader,
} from '#factory/store/inference-reader.ts';
import { columns } from '../columns.ts';
import type { CommandContext } from '../command.ts';
import { readMoment } from '../inferences/read-moment.ts';

interface Filters {
  since: string | null;
  until: string | null;
  model: string | null;
  variant: string | null;
  key: string | null;
  finish: string | null;
  log_file: string;
}

export async function inferences({ words, json, terminal }: CommandContext): Promise<number> {
  const [action, ...rest] = words;
  const name = nameOf(action);
  const own: InferencesAction = INFERENCES_ACTIONS[name];
  const { things, options } = readCommandWords(rest, own.keys, `tunesmith inferences ${name}`);
  const expected = name === 'list' ? 0 : 1;
  if (things.length !== expected) throw wrongThings(name, own, things.length);
  const filters = options as unknown as Filters;
  const reader = openInferenceReader(filters.log_file);
  try {
    if (name === 'list') {
      const { limit, failed } = options as { limit: number; failed: boolean | null };
      const rows = await reader.newest({ ...filterOf(filters), failed }, limit);
      terminal.out(json ? `${JSON.stringify(rows)}\n` : table(rows));
      return 0;
    }
    if (name === 'show') {
      const found = await reader.find(things[0] as string);
      if (found.length === 0) throw unknownInference(things[0] as string, filters.log_file);
      terminal.out(json ? `${JSON.stringify(found)}\n` : found.map(shown).join('\n'));
      return 0;
    }
    return await exportRows(reader, things[0] as string, filters, options.cut === true, { json, terminal });
  } finally {
    await reader.close();
  }
}

async function exportRows(
  reader: InferenceReader,
  path: string,
  filters: Filters,
  takesCut: boolean,
  { json, terminal }: Pick<CommandContext, 'json' | 'terminal'>,
): Promise<number> {
  const { exportInferences } = await import('#factory/pipeline/export-inferences.ts');
  const result = await exportInferences(reader.each({ ...filterOf(filters), failed: false }), path, takesCut);
  if (json) terminal.out(`${JSON.stringify(result)}\n`);
  else {
    terminal.out(`${path}: ${result.rows} rows\n`);
    for (const [reason, count] of Object.entries(result.leftOut))
      terminal.out(`  ${count} left out: ${reason}\n`);
    if (result.rows > 0) terminal.out(`train on them: tunesmith train --dataset ${path} ...\n`);
  }
  return 0;
}

function filterOf({ since, until, model, variant, key, finish }: Filters): InferenceFilter {
  const nowMs = Date.now();
  return {
    sinceMs: since === null ? null : readMoment(since, 'since', nowMs),
    untilMs: until === null ? null : readMoment(until, 'until', nowMs),
    model,
    variant,
    keyId: key,
    finish,
    failed: null,
    withTexts: false,
  };
}

const time = (ms: number) => new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
const ms = (value: number | null) => (value === null ? '' : value.toFixed(value < 100 ? 1 : 0));

function table(rows: readonly StoredInference[]): string {
  if (rows.length === 0) return 'no requests\n';
  const head = ['id', 'time (UTC)', 'model', 'status', 'finish', 'prompt', 'answer', 'first ms', 'total ms'];
  return columns([
    head,
    ...rows.map((row) => [
      String(row.id),
      time(row.timeMs),
      row.model,
      String(row.status),
      row.errorCode ?? row.finish ?? '',
      String(row.promptTokens ?? ''),
      String(row.completionTokens ?? ''),
      ms(row.firstTokenMs),
      ms(row.totalMs),
    ]),
  ]);
}

function shown({ texts, timeMs, ...facts }: StoredInference): string {
  const lines = [`time: ${time(timeMs)} UTC`];
  for (const [name, value] of Object.entries(facts)) if (value !== null) lines.push(`${name}: ${value}`);
  if (texts === null) lines.push('texts: not kept');
  else {
    for (const message of [...texts.messages, ...texts.answers]) lines.push(JSON.stringify(message));
    if (texts.tools.length > 0) lines.push(`tools: ${JSON.stringify(texts.tools)}`);
  }
  return `${lines.join('\n')}\n`;
}

function nameOf(action: string | undefined): keyof typeof INFERENCES_ACTIONS {
  if (action !== undefined && Object.hasOwn(INFERENCES_ACTIONS, action))
    return action as keyof typeof INFERENCES_ACTIONS;
  const names = Object.keys(INFERENCES_ACTIONS);
  const meant = action === undefined ? null : suggest(action, names);
  throw new FactoryError({
    code: 'CLI_USAGE',
    message: `tunesmith inferences: expected one of ${names.join(', ')}, found ${action === undefined ? 'nothing' : JSON.stringify(action)}`,
    remedy: `Write "tunesmith inferences ${meant ?? 'list'}".`,
  });
}

function wrongThings(name: string, { usage }: InferencesAction, found: number): FactoryError {
  return new FactoryError({
    code: 'CLI_USAGE',
    message: `tunesmith inferences ${name}: found ${found} words that belong to no key`,
    remedy: `Write "tunesmith inferences ${name} ${usage}".`,
  });
}

function unknownInference(wanted: string, file: string): FactoryError {
  return new FactoryError({
    code: 'DATA_UNKNOWN_ROW',
    message: `${file}: expected a request with the number or id ${JSON.stringify(wanted)}, found none`,
    remedy: 'Take a number from "tunesmith inferences list", or the x-request-id of an answer.',
  });
}
