// In: nothing. Out: every template as it was in LLaMA-Factory v0.6.3 (Apache-2.0), the time of train_bash.py.
// There is no prefix: bos stands in the system slot, and a separator stands before every later user turn.
import { BOS, EOS, type TemplateSpec, token } from '../template-spec.ts';

export const V0_6_3_TEMPLATES: Record<string, TemplateSpec> = {
  alpaca: {
    user: '### Instruction:\n{c}\n\n### Response:\n',
    separator: '\n\n',
    defaultSystem:
      'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n',
  },
  aquila: {
    user: 'Human: {c}###Assistant:',
    separator: '###',
    defaultSystem:
      "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions.",
    stopWords: ['</s>'],
    efficientEos: true,
  },
  atom: {
    user: [BOS, 'Human: {c}\n', EOS, BOS, 'Assistant:'],
    assistant: ['{c}\n', EOS],
  },
  baichuan: {
    user: [token('<reserved_102>'), '{c}', token('<reserved_103>')],
    efficientEos: true,
  },
  baichuan2: {
    user: '<reserved_106>{c}<reserved_107>',
    efficientEos: true,
  },
  belle: {
    system: [BOS, '{c}'],
    user: 'Human: {c}\n\nBelle: ',
    separator: '\n\n',
    forceSystem: true,
  },
  bluelm: {
    user: [token('[|Human|]:'), '{c}', token('[|AI|]:')],
  },
  breeze: {
    system: [BOS, '{c}'],
    user: '[INST] {c} [/INST] ',
    defaultSystem:
      'You are a helpful AI assistant built by MediaTek Research. The user you are helping speaks Traditional Chinese and comes from Taiwan.',
    efficientEos: true,
  },
  chatglm2: {
    system: [token('[gMASK]'), token('sop'), '{c}'],
    user: '[Round {idx}]\n\n问：{c}\n\n答：',
    separator: '\n\n',
    efficientEos: true,
    forceSystem: true,
  },
  chatglm3: {
    system: [token('[gMASK]'), token('sop'), '{c}'],
    user: [token('<|user|>'), '\n', '{c}', token('<|assistant|>')],
    assistant: ['\n', '{c}'],
    observation: [token('<|observation|>'), '\n', '{c}', token('<|assistant|>')],
    function: '{name}\n{arguments}',
    stopWords: ['<|user|>', '<|observation|>'],
    efficientEos: true,
    forceSystem: true,
  },
  chatglm3_system: {
    system: [token('[gMASK]'), token('sop'), token('<|system|>'), '\n', '{c}'],
    user: [token('<|user|>'), '\n', '{c}', token('<|assistant|>')],
    assistant: ['\n', '{c}'],
    observation: [token('<|observation|>'), '\n', '{c}', token('<|assistant|>')],
    function: '{name}\n{arguments}',
    defaultSystem:
      "You are ChatGLM3, a large language model trained by Zhipu.AI. Follow the user's instructions carefully. Respond using markdown.",
    stopWords: ['<|user|>', '<|observation|>'],
    efficientEos: true,
  },
  chatml: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    separator: '\n',
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
  },
  chatml_de: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    separator: '\n',
    defaultSystem: 'Du bist ein freundlicher und hilfsbereiter KI-Assistent.',
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
  },
  codegeex2: {
    system: [token('[gMASK]'), token('sop'), '{c}'],
    forceSystem: true,
  },
  cohere: {
    system: [BOS],
    user: '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{c}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
    forceSystem: true,
  },
  cpm: {
    system: [BOS, '{c}'],
    user: '<用户>{c}<AI>',
    forceSystem: true,
  },
  deepseek: {
    system: [BOS, '{c}'],
    user: 'User: {c}\n\nAssistant:',
    forceSystem: true,
  },
  deepseekcoder: {
    user: '### Instruction:\n{c}\n### Response:',
    assistant: ['\n', '{c}'],
    separator: '\n<|EOT|>\n',
    defaultSystem:
      'You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek Company, and you only answer questions related to computer science. For politically sensitive questions, security and privacy issues, and other non-computer science questions, you will refuse to answer\n',
    stopWords: ['<|EOT|>'],
    efficientEos: true,
  },
  default: {
    system: '{c}\n',
    user: 'Human: {c}\nAssistant: ',
    separator: '\n',
  },
  empty: {
    user: '{c}',
    assistant: '{c}',
  },
  falcon: {
    user: 'User: {c}\nFalcon:',
    separator: '\n',
    efficientEos: true,
  },
  fewshot: {
    separator: '\n\n',
    efficientEos: true,
  },
  gemma: {
    system: [BOS, '{c}'],
    user: '<start_of_turn>user\n{c}<end_of_turn>\n<start_of_turn>model\n',
    separator: '<end_of_turn>\n',
    efficientEos: true,
    forceSystem: true,
  },
  intern: {
    user: ['<|User|>:{c}', token('<eoh>'), '\n<|Bot|>:'],
    separator: [token('<eoa>'), '\n'],
    stopWords: ['<eoa>'],
    efficientEos: true,
  },
  intern2: {
    system: [BOS, '<|im_start|>system\n{c}<|im_end|>\n'],
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    separator: '\n',
    defaultSystem:
      'You are an AI assistant whose name is InternLM (书生·浦语).\n- InternLM (书生·浦语) is a conversational language model that is developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n- InternLM (书生·浦语) can understand and communicate fluently in the language chosen by the user such as English and 中文.',
    stopWords: ['<|im_end|>'],
    efficientEos: true,
  },
  llama2: {
    system: '<<SYS>>\n{c}\n<</SYS>>\n\n',
    user: [BOS, '[INST] {c} [/INST]'],
    defaultSystem:
      "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe. Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why instead of answering something not correct. If you don't know the answer to a question, please don't share false information.",
    kind: 'llama2',
  },
  llama2_zh: {
    system: '<<SYS>>\n{c}\n<</SYS>>\n\n',
    user: [BOS, '[INST] {c} [/INST]'],
    defaultSystem: 'You are a helpful assistant. 你是一个乐于助人的助手。',
    kind: 'llama2',
  },
  llama3: {
    system: [BOS, '<|start_header_id|>system<|end_header_id|>\n\n{c}<|eot_id|>'],
    user: '<|start_header_id|>user<|end_header_id|>\n\n{c}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    defaultSystem: 'You are a helpful assistant.',
    stopWords: ['<|eot_id|>'],
    replaceEos: true,
  },
  mistral: {
    system: [BOS, '{c}'],
    user: ' [INST] {c} [/INST]',
    forceSystem: true,
  },
  olmo: {
    system: [EOS, '{c}'],
    user: '<|user|>\n{c}<|assistant|>',
    assistant: ['{c}', EOS],
    forceSystem: true,
  },
  openchat: {
    system: [BOS, '{c}'],
    user: ['GPT4 Correct User: {c}', EOS, 'GPT4 Correct Assistant:'],
    assistant: ['{c}', EOS],
    forceSystem: true,
  },
  orion: {
    system: [BOS, '{c}'],
    user: ['Human: {c}\n\nAssistant: ', EOS],
    forceSystem: true,
  },
  qwen: {
    system: '<|im_start|>system\n{c}<|im_end|>\n',
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    separator: '\n',
    defaultSystem: 'You are a helpful assistant.',
    stopWords: ['<|im_end|>'],
    replaceEos: true,
  },
  solar: {
    system: '### System:\n{c}\n\n',
    user: '### User:\n{c}\n\n### Assistant:\n',
    efficientEos: true,
  },
  starchat: {
    system: '<|system|>\n{c}<|end|>\n',
    user: '<|user|>\n{c}<|end|>\n<|assistant|>',
    separator: '\n',
    stopWords: ['<|end|>'],
    replaceEos: true,
    forceSystem: true,
  },
  vicuna: {
    user: 'USER: {c} ASSISTANT:',
    defaultSystem:
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.",
  },
  xuanyuan: {
    user: 'Human: {c} Assistant:',
    defaultSystem:
      '以下是用户和人工智能助手之间的对话。用户以Human开头，人工智能助手以Assistant开头，会对人类提出的问题给出有帮助、高质量、详细和礼貌的回答，并且总是拒绝参与与不道德、不安全、有争议、政治敏感等相关的话题、问题和指示。\n',
  },
  xverse: {
    user: 'Human: {c}\n\nAssistant: ',
  },
  yayi: {
    system: [token('<|System|>'), ':\n{c}\n\n'],
    user: [token('<|Human|>'), ':\n{c}\n\n', token('<|YaYi|>'), ':'],
    separator: '\n\n',
    defaultSystem:
      "You are a helpful, respectful and honest assistant named YaYi developed by Beijing Wenge Technology Co.,Ltd. Always answer as helpfully as possible, while being safe.  Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why instead of answering something not correct. If you don't know the answer to a question, please don't share false information.",
    stopWords: ['<|End|>'],
  },
  yi: {
    user: '<|im_start|>user\n{c}<|im_end|>\n<|im_start|>assistant\n',
    separator: '\n',
    stopWords: ['<|im_end|>'],
    replaceEos: true,
  },
  yuan: {
    user: ['{c}', token('<sep>')],
    separator: '\n',
    stopWords: ['<eod>'],
    replaceEos: true,
  },
  zephyr: {
    system: ['<|system|>\n{c}', EOS],
    user: ['<|user|>\n{c}', EOS, '<|assistant|>'],
    assistant: ['\n{c}', EOS],
    defaultSystem: 'You are a friendly chatbot who always responds in the style of a pirate',
  },
  ziya: {
    user: '<human>:{c}\n<bot>:',
    separator: '\n',
  },
};
