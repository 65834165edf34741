// In: tools and calls. Out: the formats without XML tags: default (today's and v0.6.3's), glm4, llama3, mistral.
import { dumpPythonJson, isTruthy, type Json, parsePythonJson, pythonStr } from '../python-json.ts';
import {
  badTools,
  callsFromJson,
  type ToolCall,
  type ToolFormat,
  toolName,
  unwrapTool,
  wrapTool,
} from './tool-format.ts';

/** Today's and v0.6.3's English list differ only in the two lines of the usage block. */
function defaultFormat(actionLine: (names: string) => string, inputLine: string): ToolFormat {
  return {
    renderTools(tools) {
      const flat = tools.map(unwrapTool);
      const names = flat.map(toolName).join(', ');
      return `You have access to the following tools:\n${flat.map(describeTool).join('')}Use the following format if using a tool:\n\`\`\`\n${actionLine(names)}\n${inputLine}\n\`\`\`\n`;
    },
    renderCalls: (calls) =>
      calls.map((c) => `Action: ${c.name}\nAction Input: ${dumpPythonJson(c.arguments)}`).join('\n'),
    extractCalls(content) {
      const calls: ToolCall[] = [];
      const pattern = /Action:\s*([a-zA-Z0-9_]+)\s*Action Input:\s*([\s\S]+?)(?=\s*Action:|\s*$)/g;
      for (const [, name, input] of content.matchAll(pattern)) {
        const text = (input as string)
          .trim()
          .replace(/^"+|"+$/g, '')
          .replace(/^`+|`+$/g, '');
        const args = parsePythonJson(text);
        if (args === undefined) return null;
        calls.push({ name: name as string, arguments: args });
      }
      return calls.length > 0 ? calls : null;
    },
  };
}

export const defaultTools = defaultFormat(
  (names) => `Action: tool name (one of [${names}])`,
  'Action Input: the input to the tool, in a JSON format representing the kwargs (e.g. ```{"input": "hello world", "num_beams": 5}```)',
);

export const defaultToolsV063 = defaultFormat(
  (names) => `Action: tool name (one of [${names}]).`,
  'Action Input: the input to the tool, in a JSON format representing the kwargs (e.g. ```{"input": "hello world", "num_beams": 5}```).',
);

function describeTool(tool: Map<string, Json>): string {
  const parameters = tool.get('parameters');
  const properties = parameters instanceof Map ? parameters.get('properties') : undefined;
  const required = parameters instanceof Map ? parameters.get('required') : undefined;
  let args = '';
  // A tool without parameters has an empty argument list.
  for (const [name, schema] of properties instanceof Map ? properties : []) {
    if (!(schema instanceof Map)) throw badTools(`parameter ${name} of ${toolName(tool)} must be an object`);
    const isRequired = Array.isArray(required) && required.includes(name) ? ', required' : '';
    const values = schema.get('enum');
    const choices =
      Array.isArray(values) && values.length > 0
        ? `, should be one of [${values.map(pythonStr).join(', ')}]`
        : '';
    const items = schema.get('items');
    const each =
      items instanceof Map && isTruthy(items)
        ? `, where each item should be ${pythonStr(items.get('type') ?? '')}`
        : '';
    const type = pythonStr(schema.get('type') ?? '');
    const description = pythonStr(schema.get('description') ?? '');
    args += `  - ${name} (${type}${isRequired}): ${description}${choices}${each}\n`;
  }
  const description = pythonStr(tool.get('description') ?? '');
  return `> Tool Name: ${toolName(tool)}\nTool Description: ${description}\nTool Args:\n${args}\n`;
}

export const glm4: ToolFormat = {
  renderTools(tools) {
    const list = tools
      .map(unwrapTool)
      .map(
        (tool) =>
          `\n\n## ${toolName(tool)}\n\n${dumpPythonJson(tool, 4)}\n在调用上述函数时，请使用 Json 格式表示调用的参数。`,
      )
      .join('');
    return `你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具${list}`;
  },
  renderCalls(calls) {
    const [call, ...more] = calls;
    if (!call || more.length > 0)
      throw badTools(`tool format glm4 takes exactly one call per turn, found ${calls.length}`);
    return `${call.name}\n${dumpPythonJson(call.arguments)}`;
  },
  extractCalls(content) {
    const cut = content.indexOf('\n');
    if (cut < 0) return null;
    const args = parsePythonJson(content.slice(cut + 1).trim());
    return args === undefined ? null : [{ name: content.slice(0, cut), arguments: args }];
  },
};

export const llama3: ToolFormat = {
  renderTools(tools, { date }) {
    const list = tools.map((tool) => `${dumpPythonJson(wrapTool(tool), 4)}\n\n`).join('');
    return `Cutting Knowledge Date: December 2023\nToday Date: ${date}\n\nYou have access to the following functions. To call a function, please respond with JSON for a function call. Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}. Do not use variables.\n\n${list}`;
  },
  renderCalls(calls) {
    const objects = calls.map((call) => namedObject(call, 'parameters'));
    return dumpPythonJson(objects.length === 1 ? (objects[0] as Json) : objects);
  },
  extractCalls: (content) => callsFromJson(parsePythonJson(content.trim()), 'parameters'),
};

export const mistral: ToolFormat = {
  renderTools: (tools) => `[AVAILABLE_TOOLS] ${dumpPythonJson(tools.map(wrapTool))}[/AVAILABLE_TOOLS]`,
  renderCalls: (calls) => dumpPythonJson(calls.map((call) => namedObject(call, 'arguments'))),
  extractCalls: (content) => callsFromJson(parsePythonJson(content.trim()), 'arguments'),
};

export function namedObject(call: ToolCall, key: string): Map<string, Json> {
  return new Map<string, Json>([
    ['name', call.name],
    [key, call.arguments],
  ]);
}
