// In: nothing. Out: what a tool format must do, and the few readers that all formats share.
// Strings are LLaMA-Factory's (Apache-2.0), exact, because they are training text.
import { FactoryError } from '#factory/errors.ts';
import { dumpPythonJson, type Json, parsePythonJson } from '../python-json.ts';

export interface ToolCall {
  name: string;
  arguments: Json;
}

export interface ToolContext {
  /** The day that llama3's preamble names, such as `26 Jul 2024`. */
  date: string;
}

export interface ToolFormat {
  /** The system text that lists the tools; `tools` has at least one entry. */
  renderTools(tools: Map<string, Json>[], context: ToolContext): string;
  renderCalls(calls: ToolCall[]): string;
  /** The calls in a generated answer, or null when it holds none. */
  extractCalls(content: string): ToolCall[] | null;
}

export function badTools(message: string): FactoryError {
  return new FactoryError({
    code: 'TOKENS_BAD_TOOLS',
    message,
    remedy: 'Mend the tools or the function call of this row, or choose another tool_format.',
  });
}

/** An OpenAI entry `{type: function, function: {...}}` without its wrapper. */
export function unwrapTool(tool: Map<string, Json>): Map<string, Json> {
  if (tool.get('type') !== 'function') return tool;
  const inner = tool.get('function');
  // A flat entry may carry `type: function` beside its name.
  if (inner === undefined) return tool;
  if (!(inner instanceof Map)) throw badTools('a tool of type "function" needs an object in "function"');
  return inner;
}

/** The entry with its OpenAI wrapper. */
export function wrapTool(tool: Map<string, Json>): Map<string, Json> {
  if (tool.get('type') === 'function') return tool;
  return new Map<string, Json>([
    ['type', 'function'],
    ['function', tool],
  ]);
}

export function toolName(tool: Map<string, Json>): string {
  const name = tool.get('name');
  if (typeof name !== 'string') throw badTools('every tool needs a "name" that is text');
  return name;
}

/** The arguments of a call as key and value; `renderAs` names the format for the message. */
export function argumentEntries(call: ToolCall, renderAs: string): [string, Json][] {
  if (call.arguments instanceof Map) return [...call.arguments];
  throw badTools(`tool format ${renderAs} needs an object in the arguments of ${call.name}`);
}

/** Text as it is, everything else as JSON. */
export function plainValue(value: Json): string {
  return typeof value === 'string' ? value : dumpPythonJson(value);
}

/** The value of an argument in a generated answer: JSON where it parses, else text. */
export function looseValue(raw: string, fallback: string): Json {
  return parsePythonJson(raw.trim()) ?? fallback;
}

/** `{name, <key>}` objects in generated JSON, or null when anything is missing. */
export function callsFromJson(value: Json | undefined, key: string): ToolCall[] | null {
  if (value === undefined) return null;
  const calls: ToolCall[] = [];
  for (const entry of Array.isArray(value) ? value : [value]) {
    if (!(entry instanceof Map)) return null;
    const name = entry.get('name');
    const args = entry.get(key);
    if (typeof name !== 'string' || args === undefined) return null;
    calls.push({ name, arguments: args });
  }
  return calls;
}
