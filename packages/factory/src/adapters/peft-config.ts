// In: an adapter_config.json as read, or an adapter to save. Out: what reading needs to know, or the JSON to write.
// Keys and defaults are PEFT 0.18's, which later versions read without a warning. What would change the mathematics and
// is not done here is refused by name; what only concerns how the adapter was initialised or trained is let pass.
import { FactoryError } from '#factory/errors.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';

export interface PeftSettings {
  rank: number;
  alpha: number;
  dropout: number;
  useRslora: boolean;
  useDora: boolean;
  /** A start that changes the base, which is done here too; null for all others. */
  start: string | null;
  /** Of LoftQ, which changes what a base in 4 bits holds; null for other starts. */
  loftqIterations: number | null;
  modulesToSave: string[];
  baseModel: string;
  /** Module name or trailing part of one → alpha of its own. */
  alphaPattern: ReadonlyMap<string, number>;
}

/** Keys whose value, when not empty, makes an adapter that `W + s·B·A` does not describe. */
const UNSUPPORTED: Record<string, string> = {
  use_qalora: 'QALoRA',
  use_bdlora: 'block-diagonal LoRA',
  lora_bias: 'biases on LoRA layers',
  fan_in_fan_out: 'weights stored transposed',
  trainable_token_indices: 'trained token rows',
  layer_replication: 'replicated layers',
  target_parameters: 'LoRA on bare parameters',
  alora_invocation_tokens: 'activated LoRA',
  arrow_config: 'Arrow routing',
  kasa_config: 'KaSA',
  monteclora_config: 'Monte Carlo LoRA',
  velora_config: 'VeLoRA',
};
/** Initialisations that leave the base weights as they are; of the others PiSSA and LoftQ are done here, OLoRA
 *  and CorDA are not. */
const PLAIN_INITS = new Set<unknown>([true, false, null, undefined, 'gaussian', 'eva', 'orthogonal']);
const PISSA = /^pissa(_niter_\d{1,4})?$/;
/** Keys of any PEFT version that do not change what a trained adapter computes. */
const HARMLESS = new Set(
  `alpha_pattern auto_mapping base_model_name_or_path bias corda_config ensure_weight_tying eva_config exclude_modules
  inference_mode init_lora_weights layers_pattern layers_to_transform loftq_config lora_alpha lora_dropout lora_ga_config
  megatron_config megatron_core peft_type peft_version qalora_group_size r rank_pattern revision runtime_config
  modules_to_save target_modules task_type use_dora use_rslora enable_lora merge_weights`.split(/\s+/),
);

export function parsePeftConfig(raw: Readonly<Record<string, unknown>>, file: string): PeftSettings {
  refuseUnsupported(raw, file);
  const rank = numberOf(raw, 'r', file, { min: 1, max: 65_536, fallback: 8 });
  if (!Number.isInteger(rank)) throw badConfig(file, 'r', 'a whole number', rank);
  for (const key of ['use_rslora', 'use_dora']) {
    const value = raw[key];
    if (value !== undefined && value !== null && typeof value !== 'boolean')
      throw badConfig(file, key, 'true or false', value);
  }
  return {
    rank,
    alpha: numberOf(raw, 'lora_alpha', file, { min: 0, max: 1e9, fallback: 8 }),
    dropout: numberOf(raw, 'lora_dropout', file, { min: 0, max: 1, fallback: 0 }),
    useRslora: raw.use_rslora === true,
    useDora: raw.use_dora === true,
    start: startOf(raw),
    loftqIterations: loftqOf(raw, file),
    modulesToSave: readNames(raw.modules_to_save, file),
    baseModel: typeof raw.base_model_name_or_path === 'string' ? raw.base_model_name_or_path : '',
    alphaPattern: readAlphaPattern(raw.alpha_pattern, file),
  };
}

/** The JSON text of adapter_config.json, with keys sorted as PEFT sorts them. */
export function formatPeftConfig(
  adapter: LoraAdapter,
  base: { baseModel: string; revision: string | null },
): string {
  const config: Record<string, unknown> = {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: base.baseModel,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: adapter.loftqIterations ? 'loftq' : (adapter.start ?? true),
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: adapter.loftqIterations ? { loftq_bits: 4, loftq_iter: adapter.loftqIterations } : {},
    lora_alpha: adapter.alpha,
    lora_bias: false,
    lora_dropout: adapter.dropout,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: adapter.modulesToSave?.length ? adapter.modulesToSave : null,
    peft_type: 'LORA',
    peft_version: '0.18.1',
    qalora_group_size: 16,
    r: adapter.rank,
    rank_pattern: rankPattern(adapter),
    revision: base.revision,
    target_modules: targetModules(adapter),
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_dora: adapter.useDora ?? false,
    use_qalora: false,
    use_rslora: adapter.useRslora,
  };
  return JSON.stringify(config, null, 2);
}

/** Last name components where each of them is adapted in the same layers 0 … n; else full paths, or PEFT would add more. */
function targetModules(adapter: LoraAdapter): string[] {
  const layersOf = new Map<string, Set<string>>();
  for (const { module } of adapter.pairs) {
    const last = lastComponent(module);
    const layers = layersOf.get(last) ?? new Set();
    layersOf.set(last, layers.add(/\.(\d+)\./.exec(module)?.[1] ?? ''));
  }
  const count = Math.max(0, ...[...layersOf.values()].map((layers) => layers.size));
  const isEverywhere = [...layersOf.values()].every(
    (layers) =>
      layers.has('') ||
      (layers.size === count && Array.from({ length: count }, (_, i) => `${i}`).every((i) => layers.has(i))),
  );
  if (isEverywhere) return [...layersOf.keys()].sort();
  return adapter.pairs.map((pair) => pair.module).sort();
}

function rankPattern(adapter: LoraAdapter): Record<string, number> {
  const others = adapter.pairs.filter((pair) => pair.rank !== adapter.rank);
  return Object.fromEntries(others.map((pair) => [pair.module, pair.rank]));
}

export function lastComponent(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}

/** The alpha of a module: its own where a pattern names it. Like PEFT, a pattern is the whole name or its last parts. */
export function alphaOf(settings: PeftSettings, module: string): number {
  for (const [pattern, alpha] of settings.alphaPattern) {
    if (pattern.startsWith('^') ? module === pattern.slice(1) : `.${module}`.endsWith(`.${pattern}`))
      return alpha;
  }
  return settings.alpha;
}

function readAlphaPattern(value: unknown, file: string): Map<string, number> {
  if (value === undefined || value === null) return new Map();
  if (typeof value !== 'object' || Array.isArray(value))
    throw badConfig(file, 'alpha_pattern', 'an object', value);
  const patterns = new Map<string, number>();
  for (const [pattern, alpha] of Object.entries(value)) {
    // PEFT takes any regular expression; plain names are what real adapters have, and cannot hang.
    if (!/^\^?[\w.-]+$/.test(pattern))
      throw unsupported(file, 'alpha_pattern', `the regular expression ${pattern.slice(0, 60)}`);
    if (typeof alpha !== 'number' || !Number.isFinite(alpha))
      throw badConfig(file, `alpha_pattern.${pattern}`, 'a number', alpha);
    patterns.set(pattern, alpha);
  }
  return patterns;
}

function startOf({ init_lora_weights: init }: Readonly<Record<string, unknown>>): string | null {
  return typeof init === 'string' && PISSA.test(init) ? init : null;
}

function loftqOf(raw: Readonly<Record<string, unknown>>, file: string): number | null {
  if (raw.init_lora_weights !== 'loftq') return null;
  const config = (raw.loftq_config ?? {}) as Readonly<Record<string, unknown>>;
  const bits = numberOf(config, 'loftq_bits', file, { min: 2, max: 8, fallback: 4 });
  if (bits !== 4) throw unsupported(file, 'loftq_config.loftq_bits', `${bits} bits, not 4`);
  const iterations = numberOf(config, 'loftq_iter', file, { min: 1, max: 99, fallback: 1 });
  if (!Number.isInteger(iterations))
    throw badConfig(file, 'loftq_config.loftq_iter', 'a whole number', iterations);
  return iterations;
}

function readNames(value: unknown, file: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw badConfig(file, 'modules_to_save', 'a list of module names', value);
}

function refuseUnsupported(raw: Readonly<Record<string, unknown>>, file: string): void {
  const type = raw.peft_type;
  if (typeof type !== 'string') throw badConfig(file, 'peft_type', '"LORA"', type);
  if (type.toUpperCase() !== 'LORA') throw unsupported(file, 'peft_type', JSON.stringify(type.slice(0, 40)));
  if (raw.task_type && raw.task_type !== 'CAUSAL_LM')
    throw unsupported(file, 'task_type', brief(raw.task_type));
  if (raw.bias !== undefined && raw.bias !== null && raw.bias !== 'none')
    throw unsupported(file, 'bias', `trained biases (${brief(raw.bias)})`);
  if (!PLAIN_INITS.has(raw.init_lora_weights) && startOf(raw) === null && raw.init_lora_weights !== 'loftq') {
    throw unsupported(
      file,
      'init_lora_weights',
      `${brief(raw.init_lora_weights)}, which changes the base weights`,
    );
  }
  for (const [key, value] of Object.entries(raw)) {
    if (isEmpty(value) || HARMLESS.has(key)) continue;
    throw unsupported(file, key, UNSUPPORTED[key] ?? brief(value));
  }
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function numberOf(
  raw: Readonly<Record<string, unknown>>,
  key: string,
  file: string,
  { min, max, fallback }: { min: number; max: number; fallback: number },
): number {
  const value = raw[key] ?? fallback;
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw badConfig(file, key, `a number from ${min} to ${max}`, value);
  return value;
}

function badConfig(file: string, key: string, expected: string, found: unknown): FactoryError {
  return new FactoryError({
    code: 'ADAPTERS_BAD_CONFIG',
    message: `${file}: ${key}: expected ${expected}, found ${brief(found)}`,
    remedy: `Correct ${key} in ${file}, or get the adapter's folder again from where it came from.`,
    details: { file, key },
  });
}

function unsupported(file: string, key: string, found: string): FactoryError {
  return new FactoryError({
    code: 'ADAPTERS_UNSUPPORTED',
    message: `${file}: ${key}: expected a plain LoRA adapter, found ${found}`,
    remedy:
      'Use a plain LoRA adapter, or merge this one into its base model with PEFT and use the merged model.',
    details: { file, key },
  });
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}
