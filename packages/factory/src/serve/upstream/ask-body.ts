// In: what a served model is asked. Out: the JSON of an OpenAI request that asks it of another server, always as a stream,
// so that the first token can be passed on and a client that goes away stops the generation there too.
import type {
  AnswerFormat,
  ChatAsk,
  ChatAskMessage,
  SamplingAsk,
  TextAsk,
} from '#factory/records/served-model.ts';

/** Newer models of OpenAI take only the second name, most other servers know the first. */
export type MaxTokensName = 'max_tokens' | 'max_completion_tokens';

type Body = Record<string, unknown>;

export function chatBody(model: string, ask: ChatAsk, maxTokensName: MaxTokensName): Body {
  const { sampling, tools, toolChoice } = ask;
  return {
    model,
    messages: ask.messages.map(wireMessage),
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map((tool) => ({ type: 'function', function: tool })),
          tool_choice:
            typeof toolChoice === 'string'
              ? toolChoice
              : { type: 'function', function: { name: toolChoice.name } },
          parallel_tool_calls: ask.parallelToolCalls,
        }),
    ...samplingBody(sampling, maxTokensName),
    ...(sampling.logprobs === null ? {} : { logprobs: true, top_logprobs: sampling.logprobs }),
    ...formatBody(ask.format),
    ...STREAMED,
  };
}

export function textBody(model: string, ask: TextAsk): Body {
  return {
    model,
    prompt: ask.prompt,
    ...samplingBody(ask.sampling, 'max_tokens'),
    ...(ask.sampling.logprobs === null ? {} : { logprobs: ask.sampling.logprobs }),
    ...formatBody(ask.format),
    ...STREAMED,
  };
}

const STREAMED = { stream: true, stream_options: { include_usage: true } };

function wireMessage({ role, content, toolCalls, toolCallId }: ChatAskMessage): Body {
  const calls = toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  }));
  return {
    role,
    content: content === '' && calls.length > 0 ? null : content,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(toolCallId === null ? {} : { tool_call_id: toolCallId }),
  };
}

/** Temperature and top_p are always said: other servers have other defaults. What OpenAI does not know is said only if it counts. */
function samplingBody(sampling: SamplingAsk, maxTokensName: MaxTokensName): Body {
  const { maxTokens, stop, seed, logitBias } = sampling;
  const rare: [string, number, number][] = [
    ['top_k', sampling.topK, 0],
    ['min_p', sampling.minP, 0],
    ['repetition_penalty', sampling.repetitionPenalty, 1],
    ['presence_penalty', sampling.presencePenalty, 0],
    ['frequency_penalty', sampling.frequencyPenalty, 0],
  ];
  return {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    ...Object.fromEntries(rare.flatMap(([name, value, none]) => (value === none ? [] : [[name, value]]))),
    ...(maxTokens === null ? {} : { [maxTokensName]: maxTokens }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(seed === null ? {} : { seed }),
    ...(Object.keys(logitBias).length === 0 ? {} : { logit_bias: logitBias }),
  };
}

function formatBody(format: AnswerFormat): Body {
  switch (format.kind) {
    case 'text':
      return {};
    case 'json':
      return { response_format: { type: 'json_object' } };
    case 'json_schema': {
      const { name, schema, strict } = format;
      return { response_format: { type: 'json_schema', json_schema: { name, schema, strict } } };
    }
  }
}
