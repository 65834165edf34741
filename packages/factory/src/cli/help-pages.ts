// In: the argument table. Out: the pages of `tunesmith help train`, `help generate` and `help <key>`.
import { type ArgKey, describeType } from '#factory/arguments/key.ts';
import { currentName, OLD_NAMES } from '#factory/arguments/rename.ts';
import { suggest } from '#factory/arguments/suggest.ts';
import { ARG_TABLE, GROUP_TITLES } from '#factory/arguments/table.ts';
import { FactoryError } from '#factory/errors.ts';
import { CHAT_KEYS } from './chat-keys.ts';
import { COMMANDS } from './command.ts';
import { EVAL_ACTIONS } from './eval/actions.ts';
import { evalActionsPage } from './eval/help-page.ts';
import { EVAL_KEYS } from './eval-keys.ts';
import { EXPAND_KEYS } from './expand-keys.ts';
import { EXPORT_KEYS } from './export-keys.ts';
import { GENERATE_KEYS } from './generate-keys.ts';
import { PLAN_KEYS } from './plan-keys.ts';
import { QUANTIZE_KEYS } from './quantize-keys.ts';

const FORMS = [
  'Forms:',
  '  tunesmith train --lora_rank 8 --do_train ...     flags; --lora-rank and --lora_rank=8 are the same',
  '  tunesmith train run.yaml lora_rank=16            a YAML or JSON file first, then changes to it',
  '  tunesmith train run.yaml --lora_rank 16',
];

export function trainPage(): string {
  const groups = Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const keys = [...ARG_TABLE.values()].filter((key) => key.group === group);
    return keys.length === 0 ? [] : ['', `${title}:`, ...byStatus(keys).map(line)];
  });
  return [
    'tunesmith train: fine-tune a model',
    '',
    ...FORMS,
    '',
    'Keys, types, defaults. A key without a mark is supported; "no effect" keys are accepted because they cannot change',
    'the result here; "refused" keys are an error unless they keep their default. "tunesmith help <key>" says more.',
    ...groups,
    '',
    `Older names that are translated: ${OLD_NAMES.join(', ')}`,
    '',
  ].join('\n');
}

export function trainJson(): string {
  const keys = [...ARG_TABLE.values()].map(asJson);
  const renamed = Object.fromEntries(OLD_NAMES.map((name) => [name, currentName(name)]));
  return `${JSON.stringify({ keys, renamed })}\n`;
}

/** Keys of the training table that answering reads too. */
function answeringKeys(): ArgKey[] {
  const model = [
    'model_name_or_path',
    'adapter_name_or_path',
    'template',
    'template_version',
    'default_system',
    'enable_thinking',
  ];
  const more = [
    'cache_dir',
    'model_revision',
    'hf_hub_token',
    'rope_scaling',
    'backend',
    'seed',
    'bf16',
    'fp16',
  ];
  return [...ARG_TABLE.values()].filter(
    (key) =>
      model.includes(key.name) ||
      more.includes(key.name) ||
      (key.group === 'generating' && key.status === 'supported'),
  );
}

export function generatePage(): string {
  return [
    'tunesmith generate: answer a prompt, or chat',
    '',
    '  tunesmith generate --model_name_or_path M --prompt "Hello"',
    '  tunesmith generate --model_name_or_path M --adapter_name_or_path outputs --chat',
    '  echo "Hello" | tunesmith generate --model_name_or_path M',
    '',
    'In a chat, clear forgets the conversation, exit leaves, and Ctrl-C stops the answer.',
    '',
    'Keys of this command:',
    ...GENERATE_KEYS.map(line),
    '',
    'Keys shared with training:',
    ...answeringKeys().map(line),
    '',
  ].join('\n');
}

export function generateJson(): string {
  return `${JSON.stringify({ keys: [...GENERATE_KEYS, ...answeringKeys()].map(asJson) })}\n`;
}

export function chatPage(): string {
  return [
    'tunesmith chat: talk to a model, or to two side by side',
    '',
    '  tunesmith chat outputs --beside base              a trained adapter beside its base',
    '  tunesmith chat model.gguf --template qwen',
    '  tunesmith chat NAME --endpoint http://localhost:8000/v1',
    '',
    'MODEL is a folder of Hugging Face, the folder of an adapter, a GGUF file, or a name at the endpoint. In the chat, clear',
    'forgets, /system TEXT sets the system text, /save FILE appends the conversation as rows that training reads, exit',
    'leaves, and Ctrl-C stops an answer.',
    '',
    'Keys of this command:',
    ...CHAT_KEYS.map(line),
    '',
    'Keys shared with training:',
    ...answeringKeys().map(line),
    '',
  ].join('\n');
}

export function chatJson(): string {
  return `${JSON.stringify({ keys: [...CHAT_KEYS, ...answeringKeys()].map(asJson) })}\n`;
}

/** Keys of training that another command takes too, in the order of the table. */
const namedKeys = (names: readonly string[]) =>
  [...ARG_TABLE.values()].filter((key) => names.includes(key.name));

const EXPAND_SHARED = [
  'model_name_or_path',
  'output_dir',
  'cache_dir',
  'model_revision',
  'hf_hub_token',
  'backend',
  'bf16',
  'fp16',
];

const expandKeys = () => [...EXPAND_KEYS, ...namedKeys(EXPAND_SHARED)];

export function expandPage(): string {
  return [
    'tunesmith expand: add blocks to a model that change nothing yet (LLaMA-Pro)',
    '',
    '  tunesmith expand --model_name_or_path M --num_expand 4 --output_dir expanded',
    '',
    'After every (layers / num_expand)-th layer a copy of it is inserted whose o_proj and down_proj are zero. The folder',
    'appears when it is complete and computes what the base computes. Train the new blocks with use_llama_pro and',
    'freeze_trainable_layers set to num_expand.',
    '',
    'Keys:',
    ...expandKeys().map(line),
    '',
  ].join('\n');
}

export function expandJson(): string {
  return `${JSON.stringify({ keys: expandKeys().map(asJson) })}\n`;
}

const EXPORT_SHARED = [
  'model_name_or_path',
  'adapter_name_or_path',
  'cache_dir',
  'model_revision',
  'hf_hub_token',
];

const exportKeys = () => [...EXPORT_KEYS, ...namedKeys(EXPORT_SHARED)];

export function exportPage(): string {
  return [
    'tunesmith export: a model folder that any tool can load',
    '',
    '  tunesmith export --model_name_or_path M --adapter_name_or_path A --export_dir merged [--export_dtype bfloat16]',
    '  tunesmith export --to gguf --model_name_or_path M --adapter_name_or_path A --export_dir gguf [--export_dtype float16]',
    '  tunesmith export verify merged',
    '',
    'Adapters (LoRA, rsLoRA, DoRA, PiSSA, whole modules) are folded into the weights one tensor at a time. The folder',
    'appears when it is complete, with the tokenizer, tunesmith_export.json (sums of all files, parents, licence) and',
    'export_parity.json (answers of the model before and after). verify compares the files with their sums; status 1',
    'if one differs.',
    '',
    'Keys:',
    ...exportKeys().map(line),
    '',
  ].join('\n');
}

export function exportJson(): string {
  return `${JSON.stringify({ keys: exportKeys().map(asJson) })}\n`;
}

export function quantizePage(): string {
  return [
    'tunesmith quantize: a smaller GGUF file, by llama.cpp',
    '',
    '  tunesmith quantize IN.gguf OUT.gguf --type Q4_K_M',
    '',
    "The mixtures are llama.cpp's: Q4_K_M keeps half of some matrices in Q6_K. Rows that do not fit the blocks of a type fall",
    'back to a type that they fit, which is said. The file appears when it is complete, with OUT.gguf.manifest.json (sums,',
    'parent, type) beside it; tunesmith export verify OUT.gguf checks it later.',
    '',
    'Keys:',
    ...QUANTIZE_KEYS.map(line),
    '',
  ].join('\n');
}

export function quantizeJson(): string {
  return `${JSON.stringify({ keys: QUANTIZE_KEYS.map(asJson) })}\n`;
}

const PLAN_SHARED = [
  'model_name_or_path',
  'model_revision',
  'dataset',
  'dataset_dir',
  'stage',
  'template',
  'cutoff_len',
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'num_train_epochs',
  'lora_rank',
  'lora_target',
  'optim',
  'residual_policy',
  'spill_dir',
  'memory',
  'seed',
];

const planKeys = () => [...PLAN_KEYS, ...namedKeys(PLAN_SHARED)];

export function planPage(): string {
  return [
    'tunesmith plan: what fits, before anything starts',
    '',
    '  tunesmith plan --model_name_or_path Qwen2.5-7B --memory 12GB --cutoff_len 1024',
    '  tunesmith plan --parameters 7B --vocab_size 32000 --gpu "RTX 4090"',
    '  tunesmith plan --model_name_or_path DIR --dataset rows.json --within 2h --recipe run.yaml',
    '  tunesmith plan --classic',
    '',
    'For every way of training: memory by term, whether it fits, disk, and time from a probe of a few seconds on this',
    'machine. All keys of training are understood; with a data set and a model folder the real lengths of rows count.',
    '',
    'Keys:',
    ...planKeys().map(line),
    '',
  ].join('\n');
}

export function planJson(): string {
  return `${JSON.stringify({ keys: planKeys().map(asJson) })}\n`;
}

const EVAL_SHARED = [
  'model_name_or_path',
  'adapter_name_or_path',
  'dataset',
  'eval_dataset',
  'dataset_dir',
  'max_samples',
  'template',
  'template_version',
  'default_system',
  'enable_thinking',
  'per_device_eval_batch_size',
  'output_dir',
  'overwrite_output_dir',
  'do_sample',
  'temperature',
  'top_p',
  'top_k',
  'max_new_tokens',
  'repetition_penalty',
  'seed',
  'quantization_bit',
  'stream_base',
  'backend',
  'cache_dir',
  'model_revision',
];

const evalKeys = () => [...EVAL_KEYS, ...namedKeys(EVAL_SHARED)];

export function evalPage(): string {
  return [
    'tunesmith eval: measure a model on held-out rows; every number has its interval',
    '',
    '  tunesmith eval --model_name_or_path M --file test.jsonl --task classification --output_dir evals/base',
    '  tunesmith eval --model_name_or_path M --adapter_name_or_path A --file test.jsonl --task classification \\',
    '      --business_metrics impact.ts --slices label --output_dir evals/tuned',
    '  tunesmith eval --endpoint http://localhost:8000/v1 --model M --file test.jsonl --output_dir evals/served',
    '  tunesmith eval recipes/eval/gsm8k.yaml --model_name_or_path M --output_dir evals/gsm8k',
    '',
    'The folder holds evaluation.json, predictions.jsonl, scorecard.json and failures.jsonl. The same command goes on',
    'where an earlier one was stopped. Rows that the model was trained on are refused. Answers are greedy unless',
    'do_sample is set; with max_samples the rows are drawn by the seed.',
    '',
    'With evaluations that are there:',
    '',
    evalActionsPage(),
    'Keys:',
    ...evalKeys().map(line),
    '',
  ].join('\n');
}

export function evalJson(): string {
  return `${JSON.stringify({ keys: evalKeys().map(asJson), actions: EVAL_ACTIONS })}\n`;
}

export function keyPage(word: string, json: boolean): string {
  const name = word.replace(/^--?/, '').replaceAll('-', '_');
  const key =
    ARG_TABLE.get(currentName(name)) ??
    [...GENERATE_KEYS, ...CHAT_KEYS, ...EXPAND_KEYS, ...PLAN_KEYS, ...EVAL_KEYS].find(
      (one) => one.name === name,
    );
  if (key === undefined) {
    const meant = suggest(name, [...ARG_TABLE.keys(), ...OLD_NAMES, ...Object.keys(COMMANDS)]);
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected a command or a key after help, found ${JSON.stringify(word)}${meant === null ? '' : `; did you mean ${meant}?`}`,
      remedy:
        meant === null ? 'Run "tunesmith help train" for all keys.' : `Write "tunesmith help ${meant}".`,
    });
  }
  if (json) return `${JSON.stringify(asJson(key))}\n`;
  const refused = Object.entries(key.refusedValues ?? {}).map(
    ([value, why]) => `  refused value ${value}: ${why}`,
  );
  return [
    `${key.name} (${GROUP_TITLES[key.group]}): ${key.meaning}`,
    ...(key.name === name ? [] : [`  ${name} is its older name`]),
    `  type:    ${describeType(key.type)}${key.type.optional ? ', or None' : ''}`,
    `  default: ${showDefault(key)}`,
    `  status:  ${key.status.replace('_', ' ')}${key.why === undefined ? '' : `: ${key.why}`}`,
    ...refused,
    '',
  ].join('\n');
}

function byStatus(keys: readonly ArgKey[]): ArgKey[] {
  return (['supported', 'no_effect', 'refused'] as const).flatMap((status) =>
    keys.filter((key) => key.status === status),
  );
}

function showDefault(key: ArgKey): string {
  if (key.default === null) return '-';
  if (Array.isArray(key.default)) return key.default.length === 0 ? '-' : key.default.join(',');
  return typeof key.default === 'string' ? key.default : JSON.stringify(key.default);
}

/** The values of an enum that are not refused. */
function openChoices(key: ArgKey): string {
  const open = (key.type.choices ?? []).filter((one) => !Object.hasOwn(key.refusedValues ?? {}, one));
  return open.length === 0 ? '' : ` (${open.join(', ')})`;
}

export function line(key: ArgKey): string {
  const mark = { supported: '', no_effect: ' [no effect]', refused: ` [refused: ${key.why}]` }[key.status];
  const kind = key.type.kind.replace('path_or_bool', 'path');
  const head = `  ${key.name.padEnd(36)} ${kind.padEnd(7)} ${showDefault(key).padEnd(10)}`;
  return `${head} ${key.meaning}${openChoices(key)}${mark}`;
}

export function asJson(key: ArgKey): Record<string, unknown> {
  const { name, group, status, meaning, why, refusedValues, harmless } = key;
  return { name, group, type: key.type, default: key.default, status, meaning, why, refusedValues, harmless };
}
