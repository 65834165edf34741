// In: a model config and the finetuning arguments. Out: which base tensors are trained and which modules get an adapter,
// by the rules of LLaMA-Factory (freeze) and PEFT (target modules). A name that matches nothing is an error.
import { closest, distance } from 'fastest-levenshtein';
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { FinetuningArgs } from '#factory/records/train-args.ts';
import { expectedTensors } from './expected-tensors.ts';
import { expandedLayers } from './llama-pro.ts';

export interface Trainable {
  tensors: Set<string>;
  /** Full module paths with an adapter, in layer order. */
  loraModules: string[];
}

type Choice = Pick<
  FinetuningArgs,
  | 'finetuning_type'
  | 'freeze_trainable_layers'
  | 'freeze_trainable_modules'
  | 'freeze_extra_modules'
  | 'lora_target'
  | 'use_llama_pro'
  | 'additional_target'
>;

export function selectTrainable(config: ModelConfig, args: Choice): Trainable {
  const names = [...expectedTensors(config).keys()];
  if (args.finetuning_type === 'full') return { tensors: new Set(names), loraModules: [] };
  if (args.finetuning_type === 'lora') {
    const modules = loraModules(names, args.lora_target);
    const tensors = wholeModules(config, names, modules, args.additional_target);
    if (!args.use_llama_pro) return { tensors, loraModules: modules };
    const prefixes = expandedLayers(config.layers, args.freeze_trainable_layers).map(
      (i) => `model.layers.${i}.`,
    );
    return { tensors, loraModules: modules.filter((m) => prefixes.some((p) => m.startsWith(p))) };
  }
  return { tensors: frozenBut(config, names, args), loraModules: [] };
}

/**
 * Tensors of the modules whose path ends in one of the targets, by PEFT's rule for modules_to_save. A tied head is a
 * module of its own there.
 */
function wholeModules(
  config: ModelConfig,
  names: readonly string[],
  adapted: readonly string[],
  targets: readonly string[],
): Set<string> {
  const all = config.tieEmbeddings ? [...names, 'lm_head.weight'] : names;
  const moduleOf = (name: string) => name.slice(0, name.lastIndexOf('.'));
  const unmatched = targets.filter((target) => !all.some((name) => moduleOf(name).endsWith(target)));
  if (unmatched.length > 0) throw unknownModule('additional_target', unmatched, lastParts(all.map(moduleOf)));
  const chosen = all.filter((name) => targets.some((target) => moduleOf(name).endsWith(target)));
  const both = chosen.map(moduleOf).find((module) => adapted.includes(module));
  if (both !== undefined)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `${both} is named by additional_target and by lora_target: it cannot be trained whole and have an adapter`,
      remedy: 'Remove it from additional_target or from lora_target.',
    });
  return new Set(chosen);
}

/**
 * `all`: every linear module but the output head and routers. One regular expression: the modules whose whole path it matches. Otherwise
 * modules whose path is, or ends in, one of the names.
 */
function loraModules(names: readonly string[], targets: readonly string[]): string[] {
  const modules = names.flatMap((n) =>
    /(_proj|\.w[123])\.weight$/.test(n) ? [n.replace(/\.weight$/, '')] : [],
  );
  if (targets.length === 1 && targets[0] === 'all') return modules;
  if (targets.length === 1 && !/^[\w.]+$/.test(targets[0])) {
    const matched = modules.filter((m) => expression(targets[0]).test(m));
    if (matched.length === 0) throw unknownModule('lora_target', targets, lastParts(modules));
    return matched;
  }
  const unmatched = targets.filter((t) => !modules.some((m) => m === t || m.endsWith(`.${t}`)));
  if (unmatched.length > 0) throw unknownModule('lora_target', unmatched, lastParts(modules));
  return modules.filter((m) => targets.some((t) => m === t || m.endsWith(`.${t}`)));
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `lora_target: ${pattern} is no regular expression (${(cause as Error).message})`,
      remedy: 'Set lora_target to all, to names such as q_proj,v_proj, or to a regular expression.',
      cause,
    });
  }
}

function frozenBut(config: ModelConfig, names: readonly string[], args: Choice): Set<string> {
  const n = args.freeze_trainable_layers;
  if (n === 0 && args.freeze_extra_modules.length === 0)
    throw new FactoryError({
      code: 'TRAIN_NOTHING_TRAINABLE',
      message: 'freeze_trainable_layers is 0, so no layer would be trained',
      remedy:
        'Set freeze_trainable_layers to the number of last layers to train, or to a negative number for the first ones.',
    });
  const from = n > 0 ? Math.max(0, config.layers - n) : 0;
  const to = n > 0 ? config.layers : Math.min(config.layers, -n);
  const layers = args.use_llama_pro
    ? expandedLayers(config.layers, n)
    : Array.from({ length: to - from }, (_, i) => from + i);
  const tensors = new Set<string>();
  const inLayer = names.filter((name) => name.startsWith('model.layers.0.')).map((name) => name.slice(15));
  const modules = args.freeze_trainable_modules;
  const wantsAll = modules.length === 1 && modules[0] === 'all';
  const unmatched = wantsAll ? [] : modules.filter((m) => !inLayer.some((name) => name.startsWith(m)));
  if (unmatched.length > 0)
    throw unknownModule('freeze_trainable_modules', unmatched, [
      ...new Set(inLayer.map((name) => name.split('.')[0])),
    ]);
  for (const i of layers) {
    const prefix = `model.layers.${i}.`;
    for (const name of names) {
      if (!name.startsWith(prefix)) continue;
      if (wantsAll || modules.some((m) => name.startsWith(prefix + m))) tensors.add(name);
    }
  }
  const outside = names.filter((name) => !name.startsWith('model.layers.'));
  for (const extra of args.freeze_extra_modules) {
    const found = outside.filter((name) => name.split('.').includes(extra));
    if (found.length === 0)
      throw unknownModule(
        'freeze_extra_modules',
        [extra],
        [...new Set(outside.map((name) => name.split('.').at(-2) ?? name))],
      );
    for (const name of found) tensors.add(name);
  }
  return tensors;
}

const lastParts = (modules: readonly string[]) => [...new Set(modules.map((m) => m.split('.').at(-1) ?? m))];

function unknownModule(key: string, unknown: readonly string[], known: string[]): FactoryError {
  const near = closest(unknown[0], known);
  const hint = distance(unknown[0], near) <= 3 ? ` (did you mean ${near}?)` : '';
  return new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `${key}: no module of this model is named ${unknown.join(', ')}${hint}`,
    remedy: `Set ${key} to all, or to some of ${known.join(', ')}.`,
  });
}
