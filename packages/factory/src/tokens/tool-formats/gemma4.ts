// In: tools and calls. Out: the format of Gemma 4, with its own string marks <|"|> and bare keys.
import { dumpPythonJson, isTruthy, type Json, parsePythonJson, pythonStr } from '../python-json.ts';
import { type ToolCall, type ToolFormat, toolName, unwrapTool } from './tool-format.ts';

const mark = (text: string) => `<|"|>${text}<|"|>`;
const upper = (value: Json) => mark(pythonStr(value).toUpperCase());

export const gemma4: ToolFormat = {
  renderTools: (tools) => tools.map(unwrapTool).map(declare).join('\n'),
  renderCalls: (calls) =>
    calls.map((c) => `<|tool_call>call:${c.name}{${renderArguments(c)}}<tool_call|>`).join(''),
  extractCalls(content) {
    const calls: ToolCall[] = [];
    // The original reads `<|tool_call|>`, which it never writes; both openings are read here.
    for (const [, name, body] of content.matchAll(
      /<\|tool_call\|?>call:([^{\s]+)\{([\s\S]*?)\}<tool_call\|>/g,
    )) {
      calls.push({ name: (name as string).trim(), arguments: readArguments((body as string).trim()) });
    }
    return calls.length > 0 ? calls : null;
  },
};

function declare(tool: Map<string, Json>): string {
  const description = mark(pythonStr(tool.get('description') ?? ''));
  let text = `declaration:${toolName(tool)}{description:${description}`;
  const parameters = tool.get('parameters');
  if (parameters instanceof Map && parameters.size > 0) {
    const parts: string[] = [];
    const properties = parameters.get('properties');
    if (properties instanceof Map && properties.size > 0) {
      parts.push(
        `properties:{${[...properties].map(([name, schema]) => declareProperty(name, schema)).join(',')}}`,
      );
    }
    const required = parameters.get('required');
    if (Array.isArray(required) && required.length > 0) {
      parts.push(`required:[${required.map((item) => mark(pythonStr(item))).join(',')}]`);
    }
    const type = parameters.get('type');
    if (type !== undefined && isTruthy(type)) parts.push(`type:${upper(type)}`);
    text += `,parameters:{${parts.join(',')}}`;
  }
  const response = tool.get('response');
  if (response instanceof Map && response.size > 0) {
    const parts: string[] = [];
    const about = response.get('description');
    if (about !== undefined && isTruthy(about)) parts.push(`description:${mark(pythonStr(about))}`);
    if (pythonStr(response.get('type') ?? '').toUpperCase() === 'OBJECT')
      parts.push(`type:${mark('OBJECT')}`);
    text += `,response:{${parts.join(',')}}`;
  }
  return `${text}}`;
}

function declareProperty(name: string, schema: Json): string {
  const parts: string[] = [];
  if (schema instanceof Map) {
    const description = schema.get('description');
    const type = schema.get('type');
    if (description !== undefined && isTruthy(description))
      parts.push(`description:${mark(pythonStr(description))}`);
    if (type !== undefined && isTruthy(type)) parts.push(`type:${upper(type)}`);
  }
  return `${name}:{${parts.join(',')}}`;
}

function renderArguments(call: ToolCall): string {
  const args = call.arguments;
  if (args instanceof Map) return sortedPairs(args).join(',');
  return typeof args === 'string' ? args : renderValue(args);
}

function sortedPairs(object: Map<string, Json>): string[] {
  const entries = [...object].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return entries.map(([key, value]) => `${key}:${renderValue(value)}`);
}

function renderValue(value: Json): string {
  if (typeof value === 'string') return mark(value);
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  if (value instanceof Map) return `{${sortedPairs(value).join(',')}}`;
  if (Array.isArray(value)) return `[${value.map(renderValue).join(',')}]`;
  return pythonStr(value);
}

function readArguments(text: string): Json {
  if (text === '') return new Map();
  const json = `{${text}}`
    .replace(/<\|"\|>([\s\S]*?)<\|"\|>/g, (_, inner: string) => dumpPythonJson(inner))
    .replace(/(^|[{\s,])([A-Za-z_][A-Za-z0-9_]*)(\s*:)/g, '$1"$2"$3');
  return parsePythonJson(json) ?? parsePythonJson(text) ?? text;
}
