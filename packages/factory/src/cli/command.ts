// In: nothing. Out: what every command gets and gives, and the list of commands with their one-line meanings.
// The commands themselves are loaded by main.ts, one at a time.
import type { Console } from './console.ts';

export interface CommandContext {
  /** The words after the command, without `--json`. */
  words: string[];
  json: boolean;
  terminal: Console;
  env: Readonly<Record<string, string | undefined>>;
}

/** Resolves to the exit status. */
export type Command = (context: CommandContext) => Promise<number>;

export const COMMANDS = {
  train: 'fine-tune a model: tunesmith train --model_name_or_path M --do_train --dataset D, or a YAML file',
  generate: 'answer a prompt, or chat, with a model and an optional adapter',
  chat: 'talk to a model in the terminal: tunesmith chat MODEL [--beside base]',
  plan: 'what fits, before anything starts: tunesmith plan --model_name_or_path Qwen2.5-7B --memory 12GB',
  data: 'clean rows and explain every one: tunesmith data clean rows.jsonl --output_dir cleaned',
  eval: 'measure a model on held-out rows, every number with its interval; eval compare, verdict, judge: ship or not',
  export:
    'fold adapters into their base, checked: tunesmith export --adapter_name_or_path A --export_dir merged',
  quantize: 'a smaller GGUF file, by llama.cpp: tunesmith quantize IN.gguf OUT.gguf --type Q4_K_M',
  serve: 'answer over HTTP as OpenAI does: tunesmith serve model.gguf, or --upstream URL --upstream_model M',
  keys: 'API keys of the server: tunesmith keys create | list | rotate | revoke',
  expand: 'add blocks to a model that change nothing yet (LLaMA-Pro): --num_expand 4 --output_dir O',
  inferences: 'what was served: list, show, export as rows to train on',
  quickstart: 'fine-tune a small model on real data in a few minutes, and show the gain',
  setup: 'tunesmith setup cuda: fetch the CUDA libraries of ONNX Runtime, and say what else they need',
  env: 'versions, processor, memory, disk: what a bug report needs',
  version: 'print the version',
  help: 'tunesmith help [train | generate | <key>]: commands, keys with defaults and status',
  completion: 'tunesmith completion bash|zsh|fish: a completion script for the shell',
} as const;

export type CommandName = keyof typeof COMMANDS;
