// In: rows with their columns, and how prompts are made. Out: questions with ids, choices, references, clusters and slices.
// Prompts of `doc_to_text` are those of lm-evaluation-harness: description, examples, question. No model is known here.
import { createHash } from 'node:crypto';
import { FactoryError } from '#factory/errors.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { Example, RowSource } from '#factory/records/message.ts';
import { conversationKey } from '#factory/records/prompt-key.ts';
import { type DocTemplate, docTemplate } from './doc-template.ts';

type Columns = Record<string, unknown>;

interface Item {
  source: RowSource;
  columns: Columns;
  example: Example | null;
}

export interface BuiltQuestions {
  questions: EvalQuestion[];
  /** The declared label set; empty unless the task is a classification. */
  labels: string[];
  /** Whether the labels were taken from the rows' answers. */
  labelsFound: boolean;
}

/** `fewshot`: rows to take examples from, in their order. */
export function buildQuestions(
  items: readonly Item[],
  args: EvalArgs,
  fewshot: readonly { columns: Columns }[],
): BuiltQuestions {
  const drafts = args.doc_to_text === null ? items.map(fromExample) : fromTemplates(items, args, fewshot);
  const isClasses = args.task === 'classification';
  const ownChoices = drafts.some(({ choices }) => choices.length > 0);
  const labelsFound = isClasses && !ownChoices && args.labels.length === 0;
  const labels = !isClasses
    ? []
    : ownChoices
      ? [...new Set(drafts.flatMap(({ choices }) => choices.map(({ label }) => label)))]
      : labelsFound
        ? [...new Set(drafts.map(({ references }) => references[0]?.trim() ?? ''))].sort()
        : args.labels;
  const taken = new Map<string, number>();
  const questions = drafts.map((draft, i): EvalQuestion => {
    const { columns } = items[i];
    const choices =
      !isClasses || ownChoices ? draft.choices : labels.map((label) => ({ label, text: label }));
    const label = isClasses ? (draft.label ?? draft.references[0]?.trim()) : undefined;
    if (isClasses && (label === undefined || !labels.includes(label)))
      throw new FactoryError({
        code: 'EVAL_BAD_ROW',
        message: `${whereOf(items[i])}: its answer ${JSON.stringify(label ?? null)} is none of the labels ${labels.slice(0, 12).join(', ')}`,
        remedy: 'Correct the row, or add its answer to labels.',
      });
    const id = idOf(draft, taken);
    const cluster = args.cluster === null ? undefined : cell(columns, args.cluster, 'cluster', items[i]);
    const slices = Object.fromEntries(
      args.slices.map((name) => [
        name,
        name === 'label' && label !== undefined ? label : cell(columns, name, 'slices', items[i]),
      ]),
    );
    return {
      ...draft,
      id,
      choices,
      ...(label === undefined ? {} : { label }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(args.slices.length > 0 ? { slices } : {}),
      source: columns,
    };
  });
  return { questions, labels, labelsFound };
}

type Draft = Omit<EvalQuestion, 'id' | 'cluster' | 'slices' | 'source'>;

function fromExample({ example }: Item): Draft {
  const { prompt, response, system, tools } = example as Example;
  return {
    messages: prompt,
    system,
    tools,
    text: null,
    prompt:
      prompt.length === 1
        ? prompt[0].content
        : prompt.map(({ role, content }) => `${role}: ${content}`).join('\n'),
    delimiter: '',
    choices: [],
    references: response.slice(0, 1).map(({ content }) => content),
    promptKey: conversationKey(prompt),
  };
}

function fromTemplates(
  items: readonly Item[],
  args: EvalArgs,
  fewshot: readonly { columns: Columns }[],
): Draft[] {
  const question = docTemplate('doc_to_text', args.doc_to_text as string);
  const description = docTemplate('description', args.description);
  const target = args.doc_to_target === null ? null : docTemplate('doc_to_target', args.doc_to_target);
  const choices = args.doc_to_choice.map((one): Choice => {
    // Of several, one without Jinja is the choice itself, also where a column has its name.
    const isFixed = !one.includes('{') && args.doc_to_choice.length > 1;
    const literal = { value: () => one, text: () => one };
    return { isFixed, template: isFixed ? literal : docTemplate('doc_to_choice', one) };
  });
  const answerOf = (columns: Columns, where: string) => targetOf(columns, target, choices, where);
  const examples = exampleTexts(args, fewshot, (columns, where) => {
    const { text } = answerOf(columns, where);
    return question.text(columns, where) + args.target_delimiter + text + args.fewshot_delimiter;
  });
  return items.map((item): Draft => {
    const { columns } = item;
    const where = whereOf(item);
    const asked = question.text(columns, where);
    const before = description.text(columns, where) + examples(columns, where);
    const { text, label, options } = answerOf(columns, where);
    const whole = before + asked;
    const messages = [{ role: 'user' as const, content: whole }];
    return {
      messages,
      system: '',
      tools: '',
      text: args.apply_chat_template ? null : whole,
      prompt: asked,
      delimiter: args.apply_chat_template ? '' : args.target_delimiter,
      choices: options,
      references: target === null ? [] : [text],
      ...(label === null ? {} : { label }),
      promptKey: conversationKey([{ content: asked }]),
    };
  });
}

interface Choice {
  /** The same text for every row. */
  isFixed: boolean;
  template: DocTemplate;
}

interface Target {
  text: string;
  label: string | null;
  options: { label: string; text: string }[];
}

/** A number is the place of the right choice; a text is the choice itself. */
function targetOf(
  columns: Columns,
  target: DocTemplate | null,
  choices: readonly Choice[],
  where: string,
): Target {
  const options = optionsOf(columns, choices, where);
  if (target === null) return { text: '', label: null, options };
  if (options.length === 0) return { text: target.text(columns, where), label: null, options };
  const value = target.value(columns, where);
  const written = String(value).trim();
  const at =
    typeof value === 'number' || typeof value === 'bigint'
      ? Number(value)
      : options.findIndex(({ text, label }) => text.trim() === written || label === written);
  const found = options[at] ?? (/^\d+$/.test(written) ? options[Number(written)] : undefined);
  if (found) return { text: found.text, label: found.label, options };
  throw new FactoryError({
    code: 'EVAL_BAD_ROW',
    message: `${where}: doc_to_target gives ${JSON.stringify(written)}, which is neither a choice nor the place of one (${options.map(({ text }) => text).join(', ')})`,
    remedy: 'Correct doc_to_target or doc_to_choice.',
  });
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Choices that are the same for all rows are their own labels; others are called A, B, C by their place. */
function optionsOf(columns: Columns, choices: readonly Choice[], where: string): Target['options'] {
  const values = choices.map(({ template }) => template.value(columns, where));
  const texts = (values.length === 1 && Array.isArray(values[0]) ? (values[0] as unknown[]) : values).map(
    String,
  );
  return texts.map((text, i) => ({ label: choices[i]?.isFixed ? text : (LETTERS[i] ?? `${i}`), text }));
}

/** The text of the examples before a row: the first ones, or the first ones of its group. */
function exampleTexts(
  { num_fewshot: count, fewshot_by: by }: EvalArgs,
  rows: readonly { columns: Columns }[],
  show: (columns: Columns, where: string) => string,
): (columns: Columns, where: string) => string {
  if (count === 0) return () => '';
  const groups = new Map<string, string>();
  return (columns, where) => {
    const group = by === null ? '' : String(columns[by]);
    const known = groups.get(group);
    if (known !== undefined) return known;
    const own = rows.filter((row) => by === null || String(row.columns[by]) === group).slice(0, count);
    if (own.length < count)
      throw new FactoryError({
        code: 'EVAL_BAD_ROW',
        message: `${where}: num_fewshot asks for ${count} examples${by === null ? '' : ` with ${by} ${group}`}, and fewshot_file has ${own.length}`,
        remedy: 'Lower num_fewshot, or add examples to fewshot_file.',
      });
    const text = own.map((row, i) => show(row.columns, `example ${i + 1} of fewshot_file`)).join('');
    groups.set(group, text);
    return text;
  };
}

/** Sixteen hex digits of the content; equal rows are told apart by their turn. */
function idOf({ messages, system, tools, choices, references }: Draft, taken: Map<string, number>): string {
  const content = JSON.stringify([messages, system, tools, choices, references]);
  const id = createHash('sha256').update(content, 'utf8').digest('hex').slice(0, 16);
  const turn = (taken.get(id) ?? 0) + 1;
  taken.set(id, turn);
  return turn === 1 ? id : `${id}#${turn}`;
}

const whereOf = ({ source }: Pick<Item, 'source'>): string => `${source.file}, row ${source.row + 1}`;

function cell(columns: Columns, name: string, key: string, item: Item): string {
  const value = columns[name];
  if (value === undefined || value === null || typeof value === 'object')
    throw new FactoryError({
      code: 'EVAL_BAD_ROW',
      message: `${whereOf(item)}: ${key} names the column "${name}", whose value is ${value === undefined ? 'missing' : JSON.stringify(value)?.slice(0, 60)}`,
      remedy: `Name a column of texts or numbers in ${key} (there are: ${Object.keys(columns).join(', ')}).`,
    });
  return String(value);
}
