// In: an answer. Out: the tool calls in it: `<tool_call>` tags with JSON inside (Hermes, Qwen), or an answer that is a
// JSON object or list of calls, also in OpenAI's form with `function` and arguments as a string.

export interface ToolCall {
  name: string;
  /** The arguments as JSON with sorted keys: equal texts are equal arguments. */
  canonical: string;
}

const TAGGED = /<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g;

/** Null where a call was begun and cannot be read; empty where none was. */
export function toolCallsIn(answer: string): ToolCall[] | null {
  const tagged = [...answer.matchAll(TAGGED)];
  if (tagged.length > 0) {
    const calls = tagged.map((match) => callsOf(parse(match[1])));
    return calls.includes(null) ? null : (calls as ToolCall[][]).flat();
  }
  const text = answer.trim();
  if (!/^[[{]/.test(text)) return [];
  const calls = callsOf(parse(text));
  if (calls !== null) return calls;
  // JSON, or text in brackets, that is about something else calls nothing.
  return /"(?:name|function|arguments)"\s*:/.test(text) ? null : [];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function callsOf(value: unknown): ToolCall[] | null {
  const items = Array.isArray(value) ? value : [value];
  const calls = items.map(callOf);
  return calls.includes(null) ? null : (calls as ToolCall[]);
}

function callOf(value: unknown): ToolCall | null {
  if (!isRecord(value)) return null;
  const call = isRecord(value.function) ? value.function : value;
  if (typeof call.name !== 'string') return null;
  const given = call.arguments ?? call.parameters ?? {};
  const read = typeof given === 'string' ? parse(given) : given;
  return isRecord(read) ? { name: call.name, canonical: JSON.stringify(sortKeys(read)) } : null;
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isRecord(value)) return value;
  // Pairs, so that a key like "__proto__" stays a key.
  return {
    pairs: Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
