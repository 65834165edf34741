// In: the model arguments. Out: the base model's folder, config and weights, and its tokenizer. Nothing is computed yet.
import { dirname, join, resolve } from 'node:path';
import { readModelConfig } from '#factory/model/config.ts';
import { openGguf } from '#factory/model/gguf/open-gguf.ts';
import type { HubOptions } from '#factory/model/hub.ts';
import { initialWeights } from '#factory/model/initial-weights.ts';
import { openModel } from '#factory/model/open-model.ts';
import { applyRopeScaling } from '#factory/model/rope.ts';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { ggufTemplate, type StoredTemplate } from '#factory/tokens/gguf-template.ts';
import { ggufTokenizerFiles } from '#factory/tokens/gguf-tokenizer.ts';
import { openTokenizer, tokenizerOf } from '#factory/tokens/tokenizer.ts';

export interface Base {
  dir: string;
  config: ModelConfig;
  weights: WeightSource;
  tokenizer: TextTokenizer;
  generationConfig: Record<string, unknown>;
  /** Tokenizer files that were made, where the base is no folder that holds them. */
  tokenizerFiles?: ReadonlyMap<string, Buffer>;
  /** The template that a GGUF file was exported with. */
  storedTemplate?: StoredTemplate;
}

export interface BaseDeps {
  env: Readonly<Record<string, string | undefined>>;
  note(text: string): void;
  signal?: AbortSignal;
}

export async function openBase(args: TrainArgs, use: 'train' | 'infer', deps: BaseDeps): Promise<Base> {
  const { note } = deps;
  if (args.train_from_scratch) {
    const dir = args.model_name_or_path;
    const config = scaled(await readModelConfig(dir), args, use, note);
    const tokenizer = await openTokenizer(dir, { splitSpecialTokens: args.split_special_tokens });
    return { dir, config, weights: initialWeights(config, args.seed), tokenizer, generationConfig: {} };
  }
  if (isGguf(args.model_name_or_path)) return openGgufBase(args, use, deps);
  const model = await openModel(args.model_name_or_path, hubOptions(args, deps));
  for (const text of model.notes) note(text);
  const tokenizer = await openTokenizer(model.dir, { splitSpecialTokens: args.split_special_tokens });
  return { ...model, config: scaled(model.config, args, use, note), tokenizer };
}

export function hubOptions(args: TrainArgs, { env, note, signal }: BaseDeps): HubOptions {
  let shown = -1;
  return {
    revision: args.model_revision,
    cacheDir: args.cache_dir ?? defaultCache(env),
    token: args.hf_hub_token ?? env.HF_TOKEN,
    offline: isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE),
    signal,
    onProgress: ({ file, totalDoneBytes, totalBytes }) => {
      const percent = Math.floor((10 * totalDoneBytes) / Math.max(1, totalBytes)) * 10;
      if (percent !== shown) note(`downloading ${file}: ${percent} % of ${(totalBytes / 1e6).toFixed(0)} MB`);
      shown = percent;
    },
  };
}

export const isGguf = (path: string) => path.toLowerCase().endsWith('.gguf');

async function openGgufBase(args: TrainArgs, use: 'train' | 'infer', { note }: BaseDeps): Promise<Base> {
  const path = args.model_name_or_path;
  const { config, metadata, weights, notes } = await openGguf(path);
  for (const text of notes) note(text);
  const tokenizerFiles = ggufTokenizerFiles(metadata, path);
  const tokenizer = tokenizerOf(tokenizerFiles, path, { splitSpecialTokens: args.split_special_tokens });
  const storedTemplate = ggufTemplate(metadata);
  return {
    dir: dirname(resolve(path)),
    config: scaled(config, args, use, note),
    weights,
    tokenizer,
    generationConfig: {},
    tokenizerFiles,
    ...(storedTemplate ? { storedTemplate } : {}),
  };
}

function scaled(
  config: ModelConfig,
  { rope_scaling, cutoff_len }: TrainArgs,
  use: 'train' | 'infer',
  note: (text: string) => void,
): ModelConfig {
  if (!rope_scaling) return config;
  const applied = applyRopeScaling(config, rope_scaling, use === 'train' ? cutoff_len : null);
  note(applied.note);
  return applied.config;
}

const isTrue = (value: string | undefined) => /^(1|true|yes|on|y)$/i.test(value ?? '');

/** Where Hugging Face's own tools keep downloads, so that they are shared. */
function defaultCache(env: BaseDeps['env']): string {
  const home =
    env.HF_HOME ??
    join(env.XDG_CACHE_HOME ?? join(env.HOME ?? env.USERPROFILE ?? '.', '.cache'), 'huggingface');
  return env.HF_HUB_CACHE ?? join(home, 'hub');
}
