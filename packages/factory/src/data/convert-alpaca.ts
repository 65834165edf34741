// In: one row of instruction, input, output (by whatever column names). Out: its draft in normal form, or the problem.
import type { Message } from '#factory/records/message.ts';
import type { DatasetEntry } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import {
  cell,
  type Draft,
  describe,
  ktoResponse,
  listCell,
  textCell,
  toolsCell,
  wrongType,
} from './row-fields.ts';
import { isProblem, type Problem } from './row-reasons.ts';

/** History pairs come first and are learned too; then instruction and input joined by a newline, where not empty. */
export function convertAlpaca(row: Columns, entry: DatasetEntry): Draft | Problem {
  const { columns } = entry;
  const repairs: Problem[] = [];
  const prompt = history(row, columns.history, repairs);
  if (isProblem(prompt)) return prompt;

  const query: string[] = [];
  for (const column of [columns.prompt, columns.query]) {
    const text = textCell(row, column);
    if (typeof text !== 'string') return text;
    if (text !== '') query.push(text);
  }
  prompt.push({ role: 'user', content: query.join('\n') });

  const answers = response(row, entry);
  if (isProblem(answers)) return answers;
  const system = textCell(row, columns.system);
  if (typeof system !== 'string') return system;
  const tools = toolsCell(row, columns, repairs);
  if (typeof tools !== 'string') return tools;
  return { prompt, ...answers, system, tools, repairs };
}

function history(row: Columns, column: string | null, repairs: Problem[]): Message[] | Problem {
  const value = cell(row, column);
  if (column === null || value === undefined || value === null || value === '') return [];
  const pairs = listCell(row, column, repairs);
  if (isProblem(pairs)) return { ...pairs, reason: 'bad_history' };
  const messages: Message[] = [];
  for (const [i, pair] of pairs.entries()) {
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((text) => typeof text !== 'string')) {
      const detail = `expected two strings, found ${describe(pair)}`;
      return { reason: 'bad_history', field: `${column}[${i}]`, detail };
    }
    messages.push({ role: 'user', content: pair[0] }, { role: 'assistant', content: pair[1] });
  }
  return messages;
}

function response(row: Columns, entry: DatasetEntry): Pick<Draft, 'response' | 'preference'> | Problem {
  const { columns, ranking } = entry;
  const answer = cell(row, columns.response);
  const label = cell(row, columns.kto_tag);
  const chosen = cell(row, columns.chosen);
  const rejected = cell(row, columns.rejected);
  if (typeof label === 'boolean') {
    if (typeof answer !== 'string') return wrongType(columns.response ?? 'response', 'a string', answer);
    return {
      response: ktoResponse({ role: 'assistant', content: answer }, label),
      preference: 'kto',
    };
  }
  if (ranking && typeof chosen === 'string' && typeof rejected === 'string') {
    const both: Message[] = [
      { role: 'assistant', content: chosen },
      { role: 'assistant', content: rejected },
    ];
    return { response: both, preference: 'dpo' };
  }
  if (answer === undefined || answer === null) return { response: [], preference: null };
  if (typeof answer !== 'string') return wrongType(columns.response!, 'a string', answer);
  return { response: [{ role: 'assistant', content: answer }], preference: null };
}
