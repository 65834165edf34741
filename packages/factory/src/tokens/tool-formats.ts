// In: the name of a tool format. Out: its renderer, and the two ways templates use it: the tool list of the system text
// and the calls of an assistant turn. Rows with tools that cannot be rendered get TOKENS_BAD_TOOLS.
import { closest, distance } from 'fastest-levenshtein';
import { FactoryError } from '#factory/errors.ts';
import { type Json, parsePythonJson } from './python-json.ts';
import { gemma4 } from './tool-formats/gemma4.ts';
import { lfm2 } from './tool-formats/lfm2.ts';
import { defaultTools, defaultToolsV063, glm4, llama3, mistral } from './tool-formats/plain.ts';
import { glm4Moe, ling, minimax1, minimax2, qwen, qwen35, seedOss } from './tool-formats/tagged.ts';
import { badTools, type ToolCall, type ToolContext, type ToolFormat } from './tool-formats/tool-format.ts';

const FORMATS: Record<string, ToolFormat> = {
  default: defaultTools,
  gemma4,
  glm4,
  glm4_moe: glm4Moe,
  lfm2,
  ling,
  llama3,
  minimax1,
  minimax2,
  mistral,
  qwen,
  qwen3_5: qwen35,
  seed_oss: seedOss,
};

/** The format that v0.6.3 called `default`; not to be chosen by `tool_format`. */
export const V0_6_3_DEFAULT = 'default@v0.6.3';

export function toolFormat(name: string): ToolFormat {
  if (name === V0_6_3_DEFAULT) return defaultToolsV063;
  if (Object.hasOwn(FORMATS, name)) return FORMATS[name] as ToolFormat;
  const names = Object.keys(FORMATS);
  const near = closest(name, names);
  throw new FactoryError({
    code: 'TOKENS_BAD_TOOLS',
    message: `tool_format "${name}" is not known; known formats: ${names.join(', ')}`,
    remedy: `Set tool_format to ${distance(name, near) <= 3 ? near : 'one of the known formats'}, or leave it out.`,
  });
}

/** The text for the system turn; the empty list gives the empty text. */
export function renderToolList(format: ToolFormat, toolsJson: string, context: ToolContext): string {
  const value = parsePythonJson(toolsJson);
  if (value === undefined) throw badTools(`the tools of the row are not valid JSON: ${excerpt(toolsJson)}`);
  if (!Array.isArray(value))
    throw badTools(`the tools of the row must be a JSON list, found ${excerpt(toolsJson)}`);
  if (value.length === 0) return '';
  const tools = value.map((tool) => {
    if (!(tool instanceof Map)) throw badTools('every entry of the tools must be a JSON object');
    return tool;
  });
  return format.renderTools(tools, context);
}

export interface CallWords {
  thought: readonly [string, string];
  toolCall: readonly [string, string];
}

/**
 * The text of a function turn. Its content is a JSON call or list of calls, in `words.toolCall` or bare; thoughts and
 * other text around the JSON stay in front. `words` is null where a template knows none (llama2 kind).
 */
export function renderFunctionTurn(format: ToolFormat, content: string, words: CallWords | null): string {
  const tagged = words && between(content, words.toolCall);
  if (tagged) return content.replace(tagged.whole, () => '') + format.renderCalls(parseCalls(tagged.inner));
  const thought = words && between(content, words.thought);
  if (!thought) return format.renderCalls(parseCalls(content));
  return thought.whole + format.renderCalls(parseCalls(content.replaceAll(thought.whole, '')));
}

/** The calls in the JSON of a function turn. */
export function parseCalls(text: string): ToolCall[] {
  const value = parsePythonJson(text);
  if (value === undefined) throw badTools(`a function turn is not valid JSON: ${excerpt(text)}`);
  return (Array.isArray(value) ? value : [value]).map((entry: Json) => {
    const name = entry instanceof Map ? entry.get('name') : undefined;
    const args = entry instanceof Map ? entry.get('arguments') : undefined;
    if (typeof name !== 'string' || args === undefined) {
      throw badTools(`a function turn needs {"name": ..., "arguments": ...}, found ${excerpt(text)}`);
    }
    return { name, arguments: args };
  });
}

/** The first text between two words, with and without them. */
function between(content: string, [open, close]: readonly [string, string]) {
  const start = content.indexOf(open);
  const end = start < 0 ? -1 : content.indexOf(close, start + open.length);
  if (end < 0) return null;
  return { whole: content.slice(start, end + close.length), inner: content.slice(start + open.length, end) };
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
