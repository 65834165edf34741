// In: a tool format and the tools that may be called. Out: how the model is made to call one: what its answer begins with,
// and the JSON schema of the rest. Formats that no schema can express get the call as plain JSON.
import type { ToolDescription } from '#factory/records/served-model.ts';
import type { AnswerShape } from './read-answer.ts';

export interface ForcedCall {
  /** Text that the prompt ends with. */
  prefill: string;
  schema: unknown;
  calls: NonNullable<AnswerShape['calls']>;
}

/** What stands before the JSON of a call. */
const OPENINGS: Readonly<Record<string, string>> = {
  qwen: '<tool_call>\n',
  ling: '<tool_call>\n',
  minimax1: '<tool_calls>\n',
};

/** @param callHead what the template writes before every turn of calls */
export function forcedCall(format: string, tools: readonly ToolDescription[], callHead: string): ForcedCall {
  const [tool] = tools;
  if (tool && tools.length === 1 && (format === 'default' || format === 'glm4')) {
    return {
      prefill: `${callHead}${format === 'default' ? `Action: ${tool.name}\nAction Input: ` : `${tool.name}\n`}`,
      schema: parametersOf(tool),
      calls: { kind: 'arguments', name: tool.name },
    };
  }
  const key = format === 'llama3' ? 'parameters' : 'arguments';
  const choices = tools.map((one) => ({
    type: 'object',
    properties: { name: { const: one.name }, [key]: parametersOf(one) },
    required: ['name', key],
    additionalProperties: false,
  }));
  const call = choices.length === 1 ? choices[0] : { oneOf: choices };
  return {
    prefill: callHead + (OPENINGS[format] ?? ''),
    schema: format === 'mistral' ? { type: 'array', items: call, minItems: 1, maxItems: 1 } : call,
    calls: { kind: 'json' },
  };
}

function parametersOf({ parameters }: ToolDescription): unknown {
  const isSchema =
    typeof parameters === 'object' && parameters !== null && Object.keys(parameters).length > 0;
  return isSchema ? parameters : { type: 'object' };
}
