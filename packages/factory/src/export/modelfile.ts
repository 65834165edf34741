// In: what Ollama has to know of a model beside its GGUF file. Out: the text of a Modelfile. It renders nothing and reads no file.
// The rules of quoting are those of Ollama's parser: three quotes end a value where white space follows them, nothing is escaped,
// and what is not printable is dropped.
import { FactoryError } from '#factory/errors.ts';

export interface ModelfileFacts {
  /** Name of the GGUF file in the same folder. */
  model: string;
  /** In Go's text/template. */
  template: string;
  /** The template's own system text; empty for none. */
  system: string;
  stop: readonly string[];
  contextSize: number;
  /** Of the generation config; keys as Ollama has them. */
  sampling: Readonly<Record<string, number>>;
  license: string | null;
}

export function formatModelfile(facts: ModelfileFacts): string {
  const parameters = [
    ...facts.stop.map((text) => `PARAMETER stop ${quoted(text, 'stop')}`),
    `PARAMETER num_ctx ${facts.contextSize}`,
    ...Object.entries(facts.sampling).map(([key, value]) => `PARAMETER ${key} ${value}`),
  ];
  const sections = [
    '# Written by Tunesmith. Use it: ollama create NAME -f Modelfile',
    `FROM ./${facts.model}`,
    `TEMPLATE ${quoted(facts.template, 'TEMPLATE')}`,
    ...(facts.system ? [`SYSTEM ${quoted(facts.system, 'SYSTEM')}`] : []),
    parameters.join('\n'),
    ...(facts.license ? [`LICENSE ${quoted(facts.license, 'LICENSE')}`] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

function quoted(text: string, where: string): string {
  if (!/"""\s/.test(`${text} `) && !text.endsWith('"')) return `"""${text}"""`;
  throw new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `Modelfile: ${where}: expected a text without three quotes before white space and without a quote at its end, as Ollama has no way to write these, found ${JSON.stringify(text.slice(0, 80))}`,
    remedy: 'Export with --to gguf, or set default_system to another text.',
  });
}
