// In: tools and calls. Out: the formats that put calls into XML-like tags: qwen, qwen3_5, glm4_moe, ling, seed_oss,
// minimax1, minimax2.
import { dumpPythonJson, type Json, parsePythonJson } from '../python-json.ts';
import { namedObject } from './plain.ts';
import {
  argumentEntries,
  callsFromJson,
  looseValue,
  plainValue,
  type ToolCall,
  type ToolFormat,
  unwrapTool,
  wrapTool,
} from './tool-format.ts';

const wrappedLines = (tools: Map<string, Json>[]) =>
  tools.map((tool) => `\n${dumpPythonJson(wrapTool(tool))}`).join('');

const qwenTools = (lines: string) =>
  `# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>${lines}\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>`;

export const qwen: ToolFormat = {
  renderTools: (tools) => `\n\n${qwenTools(wrappedLines(tools))}`,
  renderCalls: (calls) =>
    calls
      .map((call) => `<tool_call>\n${dumpPythonJson(namedObject(call, 'arguments'))}\n</tool_call>`)
      .join('\n'),
  extractCalls(content) {
    const calls: ToolCall[] = [];
    for (const [, body] of content.matchAll(/<tool_call>([\s\S]+?)<\/tool_call>(?=\s*<tool_call>|\s*$)/g)) {
      const value = parsePythonJson((body as string).trim());
      const found = Array.isArray(value) ? null : callsFromJson(value, 'arguments');
      if (!found) return null;
      calls.push(...found);
    }
    return calls.length > 0 ? calls : null;
  },
};

export const ling: ToolFormat = {
  ...qwen,
  renderTools: (tools) => `${qwenTools(wrappedLines(tools))}\ndetailed thinking off`,
};

export const glm4Moe: ToolFormat = {
  ...qwen,
  renderTools: (tools) =>
    `\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>${wrappedLines(tools)}\n</tools>\n\nFor each function call, output the function name and arguments within the following XML format:\n<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>\n`,
  // The closing tag is missing in the original too; adapters were trained without it.
  renderCalls: (calls) =>
    calls
      .map((call) => {
        const pairs = argumentEntries(call, 'glm4_moe').map(
          ([key, value]) => `\n<arg_key>${key}</arg_key>\n<arg_value>${plainValue(value)}</arg_value>`,
        );
        return `\n<tool_call>${call.name}${pairs.join('')}`;
      })
      .join('\n'),
};

export const qwen35: ToolFormat = {
  renderTools(tools) {
    const lines = tools.map((tool) => `\n${dumpPythonJson(unwrapTool(tool))}`).join('');
    return `\n\n# Tools\n\nYou have access to the following functions:\n\n<tools>${lines}\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML tags\n- Required parameters MUST be specified\n- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after\n- If there is no function call available, answer the question like normal with your current knowledge and do not tell the user about function calls\n</IMPORTANT>`;
  },
  renderCalls: (calls) =>
    calls
      .map((call) => {
        const parts = argumentEntries(call, 'qwen3_5').map(
          ([key, value]) => `\n<parameter=${key}>\n${plainValue(value)}\n</parameter>`,
        );
        return `<tool_call>\n<function=${call.name}>${parts.join('')}\n</function>\n</tool_call>`;
      })
      .join('\n'),
  extractCalls: (content) =>
    functionBlocks(
      content,
      /<tool_call>\s*<function=\s*([^\s<>]+)\s*([\s\S]*?)\s*<\/function>\s*<\/tool_call>/g,
      /<parameter=([^\n]*?)>([\s\S]*?)<\/parameter>/g,
      (raw) => raw.trim(),
    ),
};

export const seedOss: ToolFormat = {
  renderTools: (tools) =>
    `system\nYou are Doubao, a helpful AI assistant. You may call one or more functions to assist with the user query.Tool List:\nYou are authorized to use the following tools (described in JSON Schema format). Before performing any task, you must decide how to call them based on the descriptions and parameters of these tools.\n${dumpPythonJson(tools)}\n工具调用请遵循如下格式:\n<seed:tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>value_1</parameter>\n<parameter=example_parameter_2>This is the value for the second parameter\nthat can span\nmultiple lines</parameter>\n</function>\n</seed:tool_call>\n`,
  renderCalls: (calls) =>
    calls
      .map((call) => {
        const parts = argumentEntries(call, 'seed_oss').map(
          ([key, value]) => `\n<parameter=${key}>${plainValue(value)}</parameter>`,
        );
        // The original does not close the tag after the name; adapters were trained so.
        return `\n<seed:tool_call>\n<function=${call.name}${parts.join('')}\n</function>\n</seed:tool_call>`;
      })
      .join('\n'),
  extractCalls: (content) =>
    functionBlocks(
      content,
      /<seed:tool_call>\s*<function=\s*([^\s<>]+)>?\s*([\s\S]*?)\s*<\/function>\s*<\/seed:tool_call>/g,
      /<parameter=([^\n]*?)>([\s\S]*?)<\/parameter>/g,
      (raw) => raw,
    ),
};

export const minimax1: ToolFormat = {
  renderTools(tools) {
    const lines = tools.map((tool) => `${dumpPythonJson(unwrapTool(tool))}\n`).join('');
    return `You are provided with these tools:\n<tools>\n${lines}</tools>\n\nIf you need to call tools, please respond with <tool_calls></tool_calls> XML tags, and provide tool-name and json-object of arguments, following the format below:\n<tool_calls>\n{"name": <tool-name-1>, "arguments": <args-json-object-1>}\n...\n</tool_calls>`;
  },
  renderCalls: (calls) =>
    `<tool_calls>\n${calls.map((call) => dumpPythonJson(namedObject(call, 'arguments'))).join('\n')}\n</tool_calls>`,
  extractCalls(content) {
    const block = /<tool_calls>\s*([\s\S]+?)\s*<\/tool_calls>/.exec(content);
    if (!block) return null;
    const lines = (block[1] as string).split('\n').map((line) => parsePythonJson(line.trim()));
    return lines.flatMap((value) => callsFromJson(value, 'arguments') ?? []);
  },
};

export const minimax2: ToolFormat = {
  renderTools(tools) {
    const lines = tools.map((tool) => `<tool>${dumpPythonJson(unwrapTool(tool))}</tool>\n`).join('');
    return `\n\n# Tools\n\nYou may call one or more tools to assist with the user query.\nHere are the tools available in JSONSchema format:\n\n<tools>\n${lines}</tools>\n\nWhen making tool calls, use XML format to invoke tools and pass parameters:\n\n<minimax:tool_call>\n<invoke name="tool-name-1">\n<parameter name="param-key-1">param-value-1</parameter>\n<parameter name="param-key-2">param-value-2</parameter>\n...\n</invoke>\n</minimax:tool_call>`;
  },
  renderCalls: (calls) =>
    calls
      .map((call) => {
        const parts = argumentEntries(call, 'minimax2').map(
          ([key, value]) => `\n<parameter name="${key}">${plainValue(value)}</parameter>`,
        );
        return `<invoke name="${call.name}">${parts.join('')}\n</invoke>`;
      })
      .join('\n'),
  extractCalls(content) {
    const block = /<minimax:tool_call>\s*([\s\S]+?)\s*<\/minimax:tool_call>/.exec(content);
    if (!block) return null;
    return (
      functionBlocks(
        block[1] as string,
        /<invoke name="([^\n]*?)">([\s\S]*?)<\/invoke>/g,
        /<parameter name="([^\n]*?)">([\s\S]*?)<\/parameter>/g,
        (raw) => raw,
      ) ?? []
    );
  },
};

function functionBlocks(
  content: string,
  block: RegExp,
  parameter: RegExp,
  textOf: (raw: string) => string,
): ToolCall[] | null {
  const calls: ToolCall[] = [];
  for (const [, name, body] of content.matchAll(block)) {
    const args = new Map<string, Json>();
    for (const [, key, raw] of (body as string).trim().matchAll(parameter)) {
      args.set(key as string, looseValue(raw as string, textOf(raw as string)));
    }
    calls.push({ name: (name as string).trim(), arguments: args });
  }
  return calls.length > 0 ? calls : null;
}
