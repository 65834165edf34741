// In: a template as lm-evaluation-harness writes them (`doc_to_text`): Jinja over a row's columns, or the name of a column.
// Out: a function from rows to its text or value. A template that cannot be read, or fails on a row, is named.
import { Template } from '@huggingface/jinja';
import { FactoryError } from '#factory/errors.ts';

type Columns = Readonly<Record<string, unknown>>;

export interface DocTemplate {
  /** The column itself where the template is its bare name; else the rendered text. */
  value(columns: Columns, where: string): unknown;
  text(columns: Columns, where: string): string;
}

export function docTemplate(key: string, source: string): DocTemplate {
  const template = parse(key, source);
  const value = (columns: Columns, where: string): unknown => {
    if (Object.hasOwn(columns, source)) return columns[source];
    if (key !== 'description' && /^[\w-]+$/.test(source))
      throw bad(key, `${where} has no column "${source}" (it has: ${Object.keys(columns).join(', ')})`);
    return render(key, template, columns, where);
  };
  return {
    value,
    text(columns, where) {
      const found = value(columns, where);
      if (typeof found === 'string') return found;
      if (typeof found === 'number' || typeof found === 'boolean') return String(found);
      throw bad(key, `${where}: expected a text, found ${JSON.stringify(found)?.slice(0, 80)}`);
    },
  };
}

function parse(key: string, source: string): Template {
  try {
    // Jinja drops one line end at the end of a template; the one added here is dropped instead of the template's own.
    return new Template(`${source}\n`);
  } catch (cause) {
    throw bad(
      key,
      `${JSON.stringify(source.slice(0, 120))} is no template: ${(cause as Error).message}`,
      cause,
    );
  }
}

function render(key: string, template: Template, columns: Columns, where: string): string {
  try {
    return template.render({ ...columns });
  } catch (cause) {
    throw bad(key, `${where}: ${(cause as Error).message}`, cause);
  }
}

function bad(key: string, problem: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'EVAL_BAD_TEMPLATE',
    message: `${key}: ${problem}`,
    remedy: `Correct ${key}: Jinja over the columns of the rows, such as "{{question}}", or the name of a column.`,
    cause,
  });
}
