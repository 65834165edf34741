// In: a setting under any name of any version. Out: the setting under today's name and value, with a note.
// Older keys without a successor are rows of table-own.ts; this file only translates.
import type { ArgNote } from '#factory/records/train-args.ts';
import { coerce } from './coerce.ts';
import { type ArgType, bool, float, int } from './key.ts';
import type { Setting } from './words.ts';

interface Rename {
  to: string;
  /** The version, of LLaMA-Factory unless said otherwise, that brought the new name. */
  since: string;
  /** Only commands of the train_bash.py era (until v0.7.0) hold this name. */
  era: boolean;
  /** Turns the old value into the new one. */
  convert?: (raw: unknown) => unknown;
  /** What else to say. */
  text?: string;
  /** The type of the old value, where it differs from today's. */
  type?: ArgType;
}

const HF = 'a newer Hugging Face version';

function renamed(to: string, since: string, era = false, more: Partial<Rename> = {}): Rename {
  return { to, since, era, ...more };
}

/** A value that is not of the old type is passed on, and reported under the new key. */
function inverted(raw: unknown): unknown {
  const value = coerce(bool, raw);
  return value.ok ? !value.value : raw;
}

function zeroIsOff(raw: unknown): unknown {
  const value = coerce(float(), raw);
  return value.ok && value.value === 0 ? null : raw;
}

function samplingName(raw: unknown): unknown {
  const value = coerce(bool, raw);
  return value.ok ? (value.value ? 'group_by_length' : 'random') : raw;
}

function adafactor(raw: unknown): unknown {
  const value = coerce(bool, raw);
  return value.ok ? (value.value ? 'adafactor' : 'adamw_torch') : raw;
}

/** An edge in pixels became an area in pixels. */
function squared(raw: unknown): unknown {
  const value = coerce(int(1), raw);
  return value.ok ? (value.value as number) ** 2 : raw;
}

const EDGE: Partial<Rename> = { convert: squared, type: int(1), text: 'an edge is now an area' };

const RENAMES: ReadonlyMap<string, Rename> = new Map(
  Object.entries({
    checkpoint_dir: renamed('adapter_name_or_path', 'v0.4', true),
    resume_lora_training: renamed('create_new_adapter', 'v0.4', true, {
      convert: inverted,
      text: 'the meaning is inverted',
    }),
    dpo_ref_model: renamed('ref_model', 'v0.4', true),
    dpo_ref_model_checkpoint: renamed('ref_model_adapters', 'v0.4', true),
    neft_alpha: renamed('neftune_noise_alpha', 'v0.4', true, { convert: zeroIsOff }),
    prompt_template: renamed('template', 'v0.4', true),
    system_prompt: renamed('default_system', 'v0.4', true),
    dev_ratio: renamed('val_size', 'v0.4', true),
    sft_packing: renamed('packing', 'v0.6.0', true),
    cache_path: renamed('tokenized_path', 'v0.6.3', true),
    ppo_logger: renamed('report_to', 'v0.6.3', true),
    num_layer_trainable: renamed('freeze_trainable_layers', 'v0.7.1', true),
    name_module_trainable: renamed('freeze_trainable_modules', 'v0.7.1', true),
    badam_switch_block_every: renamed('badam_switch_interval', 'v0.7.1', true),
    dpo_beta: renamed('pref_beta', 'v0.8.0', true),
    dpo_ftx: renamed('pref_ftx', 'v0.8.0', true),
    dpo_loss: renamed('pref_loss', 'v0.8.0', true),
    orpo_beta: renamed('pref_beta', 'v0.8.0', true),
    vllm_dtype: renamed('infer_dtype', 'v0.8'),
    image_resolution: renamed('image_max_pixels', 'v0.9.2', false, EDGE),
    video_resolution: renamed('video_max_pixels', 'v0.9.2', false, EDGE),
    image_dir: renamed('media_dir', 'v0.9.2'),
    new_special_tokens: renamed('add_special_tokens', 'v0.9.3'),
    use_cache: renamed('use_kv_cache', 'v0.9.4'),
    evaluation_strategy: renamed('eval_strategy', HF),
    no_cuda: renamed('use_cpu', HF),
    per_gpu_train_batch_size: renamed('per_device_train_batch_size', HF),
    per_gpu_eval_batch_size: renamed('per_device_eval_batch_size', HF),
    group_by_length: renamed('train_sampling_strategy', HF, false, { convert: samplingName, type: bool }),
    adafactor: renamed('optim', HF, false, { convert: adafactor, type: bool }),
    fp16_backend: renamed('half_precision_backend', HF),
    push_to_hub_model_id: renamed('hub_model_id', HF),
    push_to_hub_organization: renamed('hub_model_id', HF),
    push_to_hub_token: renamed('hub_token', HF),
  }),
);

const OLD_LENGTHS = ['max_source_length', 'max_target_length'];
const OLD_LENGTH_DEFAULT = 512;

/** Every older name that is translated. */
export const OLD_NAMES: readonly string[] = [...RENAMES.keys(), ...OLD_LENGTHS];

/** Today's name of an older one, or the name itself. */
export function currentName(name: string): string {
  return OLD_LENGTHS.includes(name) ? 'cutoff_len' : (RENAMES.get(name)?.to ?? name);
}

/** The type that the value of an older name had, where it differs from today's. */
export function oldType(name: string): ArgType | undefined {
  return OLD_LENGTHS.includes(name) ? int(1) : RENAMES.get(name)?.type;
}

export interface Translated {
  settings: (Setting & { givenAs?: string })[];
  notes: ArgNote[];
  /** Older names in use that date the command to the train_bash.py era. */
  eraNames: string[];
}

/** `negatable` says whether `--no_<key>` switches that key off, as HfArgumentParser allows for keys that default to true. */
export function translate(settings: readonly Setting[], negatable: (key: string) => boolean): Translated {
  const out: Translated = { settings: [], notes: [], eraNames: [] };
  for (const setting of joinLengths(settings, out)) {
    const rename = RENAMES.get(setting.key);
    if (rename !== undefined) {
      const raw = rename.convert === undefined ? setting.raw : rename.convert(setting.raw);
      out.settings.push({ ...setting, key: rename.to, raw, givenAs: setting.key });
      const more = rename.text === undefined ? '' : `; ${rename.text}`;
      out.notes.push(
        translated(rename.to, `${setting.key} is called ${rename.to} since ${rename.since}${more}`),
      );
      if (rename.era) out.eraNames.push(setting.key);
    } else if (setting.key.startsWith('no_') && negatable(setting.key.slice(3))) {
      out.settings.push({
        ...setting,
        key: setting.key.slice(3),
        raw: inverted(setting.raw),
        givenAs: setting.key,
      });
    } else {
      out.settings.push(translateValue(setting, out));
    }
  }
  return out;
}

function translated(key: string, text: string): ArgNote {
  return { key, kind: 'translated', text };
}

/** max_source_length + max_target_length (512 each by default) became cutoff_len. */
function joinLengths(settings: readonly Setting[], out: Translated): Setting[] {
  const old = settings.filter((setting) => OLD_LENGTHS.includes(setting.key));
  if (old.length === 0) return [...settings];
  const lengths = OLD_LENGTHS.map((name) => old.findLast((setting) => setting.key === name));
  const broken = lengths.find((setting) => setting !== undefined && !coerce(int(1), setting.raw).ok);
  const sum = lengths.reduce((total, setting) => total + lengthOf(setting), 0);
  const where = old.map((setting) => setting.where).join(' and ');
  out.notes.push(
    translated(
      'cutoff_len',
      `max_source_length and max_target_length became cutoff_len, their sum, in v0.4: ${sum}`,
    ),
  );
  out.eraNames.push(...new Set(old.map((setting) => setting.key)));
  const joined: Setting = { key: 'cutoff_len', raw: broken === undefined ? sum : broken.raw, where };
  return [...settings.filter((setting) => !OLD_LENGTHS.includes(setting.key)), joined];
}

function lengthOf(setting: Setting | undefined): number {
  if (setting === undefined) return OLD_LENGTH_DEFAULT;
  const value = coerce(int(1), setting.raw);
  return value.ok ? (value.value as number) : OLD_LENGTH_DEFAULT;
}

/** Keys that kept their name and changed their values. */
function translateValue(setting: Setting, out: Translated): Setting {
  if (setting.key !== 'flash_attn') return setting;
  if (typeof setting.raw === 'string' && setting.raw.trim().toLowerCase() === 'auto') return setting;
  const value = coerce(bool, setting.raw);
  if (!value.ok) return setting;
  const raw = value.value ? 'fa2' : 'disabled';
  const old = String(setting.raw);
  out.notes.push(
    translated('flash_attn', `flash_attn takes a kernel name since v0.7.0; ${old} is read as ${raw}`),
  );
  if (setting.raw !== 'off') out.eraNames.push('flash_attn');
  return { ...setting, raw, valueMissing: false };
}
