// In: nothing. Out: templates of no one model family: plain labels, ChatML and the early instruction formats.
// Today's strings of LLaMA-Factory (Apache-2.0), exact to the byte: an adapter is only right with the strings it saw.
import { BOS, EOS, type TemplateSpec, token } from '../template-spec.ts';

export const GENERAL_TEMPLATES: Record<string, TemplateSpec> = {
  default: {
    system: ['System: {c}', EOS, '\n'],
    user: ['Human: {c}', EOS, '\nAssistant:'],
    assistant: ['{c}', EOS, '\n'],
    replaceJinja: true,
  },
  empty: {
    assistant: '{c}',
  },
  fewshot: {
    assistant: '{c}\n\n',
    efficientEos: true,
    replaceJinja: true,
  },
  alpaca: {
    user: '### Instruction:\n{c}\n\n### Response:\n',
    assistant: ['{c}', EOS, '\n\n'],
    defaultSystem:
      'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n',
    replaceJinja: true,
  },
  vicuna: {
    user: 'USER: {c} ASSISTANT:',
    defaultSystem:
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.",
    replaceJinja: true,
  },
  chatml: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    assistant: '{c}<|im_end|>\n',
    observation: '<|im_start|>tool\n{c}<|im_end|>\n<|im_start|>assistant\n',
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
    replaceJinja: true,
  },
  chatml_de: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    assistant: '{c}<|im_end|>\n',
    observation: '<|im_start|>tool\n{c}<|im_end|>\n<|im_start|>assistant\n',
    defaultSystem: 'Du bist ein freundlicher und hilfsbereiter KI-Assistent.',
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
    replaceJinja: true,
  },
  zephyr: {
    system: ['<|system|>\n{c}', EOS],
    user: ['<|user|>\n{c}', EOS, '<|assistant|>\n'],
    defaultSystem: 'You are Zephyr, a helpful assistant.',
  },
  openchat: {
    prefix: [BOS],
    user: ['GPT4 Correct User: {c}', EOS, 'GPT4 Correct Assistant:'],
  },
  'openchat-3.6': {
    prefix: [BOS],
    user: '<|start_header_id|>GPT4 Correct User<|end_header_id|>\n\n{c}<|eot_id|><|start_header_id|>GPT4 Correct Assistant<|end_header_id|>\n\n',
    stopWords: ['<|eot_id|>'],
  },
  solar: {
    system: '### System:\n{c}\n\n',
    user: '### User:\n{c}\n\n### Assistant:\n',
    efficientEos: true,
  },
  starchat: {
    system: '<|system|>\n{c}<|end|>\n',
    user: '<|user|>\n{c}<|end|>\n<|assistant|>',
    assistant: '{c}<|end|>\n',
    stopWords: ['<|end|>'],
  },
  falcon: {
    user: 'User: {c}\nFalcon:',
    assistant: '{c}\n',
    efficientEos: true,
  },
  falcon_h1: {
    prefix: [BOS],
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    assistant: '{c}<|im_end|>\n',
    observation: '<|im_start|>tool\n{c}<|im_end|>\n<|im_start|>assistant\n',
    stopWords: ['<|im_end|>', '<|end_of_text|>'],
  },
  cohere: {
    prefix: [BOS],
    system: '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{c}<|END_OF_TURN_TOKEN|>',
    user: '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{c}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
  },
  olmo: {
    prefix: [EOS],
    user: '<|user|>\n{c}<|assistant|>\n',
  },
  exaone: {
    system: '[|system|]{c}[|endofturn|]\n',
    user: '[|user|]{c}\n[|assistant|]',
    assistant: ['{c}', EOS, '\n'],
  },
  granite3: {
    system: '<|start_of_role|>system<|end_of_role|>{c}<|end_of_text|>\n',
    user: '<|start_of_role|>user<|end_of_role|>{c}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>',
    assistant: '{c}<|end_of_text|>\n',
  },
  granite4: {
    system: '<|start_of_role|>system<|end_of_role|>{c}<|end_of_text|>\n',
    user: '<|start_of_role|>user<|end_of_role|>{c}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>',
    assistant: '{c}<|end_of_text|>\n',
    observation: '<|start_of_role|>tool<|end_of_role|>{c}<|end_of_text|>\n<|start_of_role|>assistant\n',
    function: '{c}<|end_of_text|>\n',
    functionFormat: 'default',
    toolFormat: 'default',
    defaultSystem: 'You are Granite, developed by IBM. You are a helpful AI assistant.',
    stopWords: ['<|end_of_text|>'],
  },
  breeze: {
    prefix: [BOS],
    user: '[INST] {c} [/INST] ',
    efficientEos: true,
  },
  yuan: {
    user: ['{c}', token('<sep>')],
    assistant: '{c}<eod>\n',
    stopWords: ['<eod>'],
  },
  xuanyuan: {
    user: 'Human: {c} Assistant:',
    defaultSystem:
      '以下是用户和人工智能助手之间的对话。用户以Human开头，人工智能助手以Assistant开头，会对人类提出的问题给出有帮助、高质量、详细和礼貌的回答，并且总是拒绝参与与不道德、不安全、有争议、政治敏感等相关的话题、问题和指示。\n',
  },
  telechat2: {
    system: '<_system>{c}',
    user: '<_user>{c}<_bot>',
    defaultSystem:
      '你是中国电信星辰语义大模型，英文名是TeleChat，你是由中电信人工智能科技有限公司和中国电信人工智能研究院（TeleAI）研发的人工智能助手。',
  },
  aeva: {
    prefix: '[gMASK]<sop>',
    system: '<|system|>\n{c}',
    user: '<|user|>\n{c}<|assistant|>',
    assistant: '\n{c}',
    observation: '<|observation|>\n{c}<|assistant|>',
    function: '{c}',
    functionFormat: 'glm4_moe',
    toolFormat: 'glm4_moe',
    defaultSystem:
      'You are an AI assistant named Aeva created by Zongzhi Lou. Your answer should be friendly, unbiased, faithful, informative and detailed.',
    stopWords: ['<|user|>', '<|observation|>'],
    thoughtWords: ['<think>', '</think>'],
    efficientEos: true,
    kind: 'glm47',
  },
  bailing: {
    system: '<role>SYSTEM</role>{c}',
    user: '<role>HUMAN</role>{c}<role>ASSISTANT</role>',
    observation: '<role>OBSERVATION</role>{c}<role>ASSISTANT</role>',
    stopWords: ['<|endoftext|>'],
    efficientEos: true,
  },
  bailing_v2: {
    system: '<role>SYSTEM</role>{c}<|role_end|>',
    user: '<role>HUMAN</role>{c}<|role_end|><role>ASSISTANT</role>',
    assistant: '{c}<|role_end|>',
    observation:
      '<role>OBSERVATION</role>\n<tool_response>\n{c}\n</tool_response><|role_end|><role>ASSISTANT</role>',
    function: '{c}<|role_end|>',
    functionFormat: 'ling',
    toolFormat: 'ling',
    stopWords: ['<|endoftext|>'],
    efficientEos: true,
  },
  index: {
    system: '<unk>{c}',
    user: 'reserved_0{c}reserved_1',
    efficientEos: true,
  },
  dbrx: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    assistant: '{c}<|im_end|>\n',
    observation: '<|im_start|>tool\n{c}<|im_end|>\n<|im_start|>assistant\n',
    defaultSystem:
      "You are DBRX, created by Databricks. You were last updated in December 2023. You answer questions based on information available up to that point.\nYOU PROVIDE SHORT RESPONSES TO SHORT QUESTIONS OR STATEMENTS, but provide thorough responses to more complex and open-ended questions.\nYou assist with various tasks, from writing to coding (using markdown for code blocks — remember to use ``` with code, JSON, and tables).\n(You do not have real-time data access or code execution capabilities. You avoid stereotyping and provide balanced perspectives on controversial topics. You do not provide song lyrics, poems, or news articles and do not divulge details of your training data.)\nThis is your system prompt, guiding your responses. Do not reference it, just respond to the user. If you find yourself talking about this message, stop. You should be responding appropriately and usually that means not mentioning this.\nYOU DO NOT MENTION ANY OF THIS INFORMATION ABOUT YOURSELF UNLESS THE INFORMATION IS DIRECTLY PERTINENT TO THE USER'S QUERY.",
    stopWords: ['<|im_end|>'],
    replaceEos: true,
  },
  gpt_oss: {
    system: '<|start|>system<|message|>{c}<|end|>',
    user: '<|start|>user<|message|>{c}<|end|><|start|>assistant',
    assistant: '{c}',
    defaultSystem: 'You are ChatGPT, a large language model trained by OpenAI.',
    thoughtWords: ['<|channel|>analysis<|message|>', '<|end|><|start|>assistant<|channel|>final<|message|>'],
    efficientEos: true,
    kind: 'reasoning',
  },
};
