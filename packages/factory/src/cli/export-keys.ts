// In: nothing. Out: the keys that only `tunesmith export` takes.
import {
  type ArgKey,
  bool,
  choice,
  float,
  commandKey as key,
  optional,
  string,
} from '#factory/arguments/key.ts';

export const EXPORT_KEYS: readonly ArgKey[] = [
  key('export_dir', optional(string), null, 'folder to write; it appears when it is complete (required)'),
  key(
    'to',
    choice('merged', 'adapter', 'gguf', 'ollama'),
    'merged',
    'merged: a Hugging Face folder with the adapters folded in; adapter: a PEFT folder for the original base; gguf: one file for llama.cpp; ollama: the same with a Modelfile',
  ),
  key(
    'export_dtype',
    choice('auto', 'float32', 'float16', 'bfloat16', 'q8_0'),
    'auto',
    'type of the weights; auto keeps that of the base; q8_0 for gguf alone',
  ),
  key('adapter_only', bool, false, 'gguf: the LoRA adapter alone, for llama.cpp to load on the base'),
  key(
    'export_quantization',
    optional(string),
    null,
    'gguf: a type of tunesmith quantize, such as Q4_K_M, which the file gets in the same run',
  ),
  key(
    'export_pre_tokenizer',
    optional(string),
    null,
    "gguf: llama.cpp's name of the pre-tokenizer, such as llama-bpe, for a vocabulary that is not recognised",
  ),
  key('eval', optional(string), null, 'gguf, ollama: recipe of tunesmith eval to measure before and after'),
  key(
    'verdict',
    optional(string),
    null,
    'gguf, ollama: verdict.json that the model has passed; a file that does not pass it is refused',
  ),
  key('export_size', float({ min: 0, exclusiveMin: true }), 5, 'largest weight file in GB'),
  key(
    'force',
    bool,
    false,
    'go on although a check says no: an adapter of another base, a verdict that is not passed',
  ),
  key('verify', bool, true, 'compare answers before and after, and write export_parity.json'),
];
