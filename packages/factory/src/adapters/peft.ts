// In: a PEFT adapter folder, or an adapter in memory. Out: the other. LoRA and DoRA on linear layers, and modules saved whole,
// float32 in memory.
// It does not know the base model: `checkAdapterFits` compares with names and shapes that the caller brings.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { LoraAdapter, LoraPair, WholeTensor } from '#factory/records/adapter.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { diskError, errnoOf } from '#factory/store/disk-error.ts';
import { type FloatTensor, readFloatTensors } from '#factory/store/float-tensors.ts';
import { readError } from '#factory/store/read-error.ts';
import { readJsonObject } from '#factory/store/read-json.ts';
import { encodeSafetensors, type SafetensorsReader } from '#factory/store/safetensors-format.ts';
import {
  alphaOf,
  formatPeftConfig,
  lastComponent,
  type PeftSettings,
  parsePeftConfig,
} from './peft-config.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';
const READER: SafetensorsReader = {
  code: 'ADAPTERS_BAD_FILE',
  remedy: "Get the adapter's folder again from where it came from, or train it again.",
};

/**
 * Reads a LoRA adapter of any PEFT version. A pair with an alpha of its own (`alpha_pattern`) has the difference folded
 * into B, so that `loraScale(adapter, pair)` holds for every pair.
 */
export async function readPeftAdapter(dir: string): Promise<LoraAdapter> {
  const configFile = join(dir, CONFIG);
  const raw = await readJsonObject(configFile, { code: 'ADAPTERS_BAD_CONFIG', remedy: READER.remedy });
  if (raw === null) throw await notFound(dir, CONFIG);
  const settings = parsePeftConfig(raw, configFile);
  const tensors = await readTensors(dir);
  const path = join(dir, WEIGHTS);
  const { low, whole } = apart(tensors, settings, path);
  const pairs = pairUp(low, settings, path);
  return {
    rank: settings.rank,
    alpha: settings.alpha,
    dropout: settings.dropout,
    useRslora: settings.useRslora,
    targetModules: [...new Set(pairs.map((pair) => lastComponent(pair.module)))].sort(),
    baseModel: settings.baseModel,
    pairs,
    ...(settings.useDora ? { useDora: true } : {}),
    ...(settings.start ? { start: settings.start } : {}),
    ...(settings.loftqIterations ? { loftqIterations: settings.loftqIterations } : {}),
    ...(whole.length > 0 ? { modulesToSave: settings.modulesToSave, whole } : {}),
  };
}

export interface AdapterOrigin {
  /** Path or hub id of the base model, as users will load it. */
  baseModel?: string;
  revision?: string | null;
}

/** Writes the two files that PEFT and vLLM load. Weights go first: a folder with a config is a whole adapter. */
export async function writePeftAdapter(
  dir: string,
  adapter: LoraAdapter,
  origin: AdapterOrigin = {},
): Promise<void> {
  const tensors = adapter.pairs.flatMap(({ module, rank, inFeatures, outFeatures, a, b, magnitude }) => [
    f32(`${module}.lora_A.weight`, [rank, inFeatures], a),
    f32(`${module}.lora_B.weight`, [outFeatures, rank], b),
    ...(magnitude ? [f32(`${module}.lora_magnitude_vector`, [outFeatures], magnitude)] : []),
  ]);
  for (const { name, shape, data } of adapter.whole ?? []) tensors.push(f32(name, shape, data));
  const base = { baseModel: origin.baseModel ?? adapter.baseModel, revision: origin.revision ?? null };
  try {
    await mkdir(dir, { recursive: true });
  } catch (error) {
    throw diskError(error, 'create', dir);
  }
  await writeAtomic(join(dir, WEIGHTS), encodeSafetensors(tensors, { format: 'pt' }));
  await writeAtomic(join(dir, CONFIG), formatPeftConfig(adapter, base));
}

function f32(name: string, shape: number[], data: Float32Array) {
  return { name: PREFIX + name, dtype: 'F32' as const, shape, data };
}

/** Throws ADAPTERS_MISMATCH unless every pair sits on a linear layer of the base with the same sizes. */
export function checkAdapterFits(
  adapter: LoraAdapter,
  baseTensors: ReadonlyMap<string, readonly number[]>,
): void {
  for (const { module, inFeatures, outFeatures, rank } of adapter.pairs) {
    const weight = `${module}.weight`;
    const shape = baseTensors.get(weight);
    if (shape?.length === 2 && shape[0] === outFeatures && shape[1] === inFeatures) continue;
    throw new FactoryError({
      code: 'ADAPTERS_MISMATCH',
      message: shape
        ? `${PREFIX}${module}.lora_A.weight: expected rank × ${shape[1]} and lora_B ${shape[0]} × rank, as the base's ${weight} is [${shape}]; found [${rank},${inFeatures}] and [${outFeatures},${rank}]`
        : `${PREFIX}${module}.lora_A.weight: expected a linear layer ${module} in the base model, found none`,
      remedy: `Set model_name_or_path to the base model that the adapter was trained on${adapter.baseModel ? ` (${adapter.baseModel})` : ''}.`,
      details: { tensor: weight },
    });
  }
  for (const { name, shape } of adapter.whole ?? []) {
    const own = baseTensors.get(name);
    if (own?.length === shape.length && own.every((size, i) => size === shape[i])) continue;
    throw new FactoryError({
      code: 'ADAPTERS_MISMATCH',
      message: `${PREFIX}${name}: expected ${own ? `shape [${own}], as in the base` : 'a tensor of that name in the base model'}, found [${shape}]`,
      remedy: `Set model_name_or_path to the base model that the adapter was trained on${adapter.baseModel ? ` (${adapter.baseModel})` : ''}.`,
      details: { tensor: name },
    });
  }
}

async function readTensors(dir: string): Promise<Map<string, FloatTensor>> {
  const path = join(dir, WEIGHTS);
  try {
    return await readFloatTensors(path, READER);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw await notFound(dir, WEIGHTS);
    throw readError(error, path, 'ADAPTERS_BAD_FILE');
  }
}

/** Tensors of modules_to_save, and the rest. */
function apart(tensors: ReadonlyMap<string, FloatTensor>, { modulesToSave }: PeftSettings, path: string) {
  const low = new Map<string, FloatTensor>();
  const whole: WholeTensor[] = [];
  for (const [name, tensor] of tensors) {
    const bare = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
    // Older versions keep the wrapper in the name.
    const own = bare.replace(/\.modules_to_save(\.default)?\./, '.');
    const module = own.replace(/\.[^.]+$/, '');
    if (!bare.includes('.lora_') && modulesToSave.some((target) => module.endsWith(target)))
      whole.push({ name: own, ...tensor });
    else low.set(name, tensor);
  }
  const missing = modulesToSave.find(
    (t) => !whole.some(({ name }) => name.replace(/\.[^.]+$/, '').endsWith(t)),
  );
  if (missing !== undefined)
    throw badFile(
      path,
      `expected tensors of ${missing}, which modules_to_save of ${CONFIG} names, found none`,
    );
  return { low, whole };
}

function pairUp(tensors: ReadonlyMap<string, FloatTensor>, settings: PeftSettings, path: string): LoraPair[] {
  const halves = new Map<string, { a?: FloatTensor; b?: FloatTensor; m?: FloatTensor }>();
  for (const [name, tensor] of tensors) {
    const { module, side } = parseName(name, path);
    const half = halves.get(module) ?? {};
    if (half[side])
      throw badFile(
        path,
        `tensor ${name}: expected one ${side === 'm' ? 'magnitude vector' : `${side.toUpperCase()} matrix`} for ${module}, found two`,
      );
    halves.set(module, { ...half, [side]: tensor });
  }
  if (halves.size === 0) throw badFile(path, 'expected LoRA matrices, found no tensors');
  return [...halves].map(([module, { a, b, m }]) => {
    if (!a || !b)
      throw badFile(path, `${PREFIX}${module}: expected lora_A and lora_B, found only lora_${a ? 'A' : 'B'}`);
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== b.shape[1] || a.shape[0] === 0) {
      throw badFile(
        path,
        `${PREFIX}${module}: expected lora_A [rank, in] and lora_B [out, rank], found [${a.shape}] and [${b.shape}]`,
      );
    }
    const [rank, inFeatures] = a.shape;
    const outFeatures = b.shape[0];
    if (settings.useDora !== Boolean(m) || (m && m.data.length !== outFeatures))
      throw badFile(
        path,
        `${PREFIX}${module}: expected ${settings.useDora ? `lora_magnitude_vector [${outFeatures}], as use_dora is set` : 'no lora_magnitude_vector without use_dora'}, found ${m ? `[${m.shape}]` : 'none'}`,
      );
    const alpha = alphaOf(settings, module);
    if (settings.alpha === 0 && alpha !== 0)
      throw badFile(path, `${module}: expected a lora_alpha above 0 beside alpha_pattern, found 0`);
    const factor = alpha === settings.alpha ? 1 : alpha / settings.alpha;
    return {
      module,
      rank,
      inFeatures,
      outFeatures,
      a: a.data,
      b: factor === 1 ? b.data : b.data.map((value) => value * factor),
      ...(m ? { magnitude: m.data } : {}),
    };
  });
}

/** `base_model.model.<module>.lora_A.weight`; old files keep the adapter's name: `….lora_A.default.weight`. */
function parseName(name: string, path: string): { module: string; side: 'a' | 'b' | 'm' } {
  const bare = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
  const match = /^(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$/.exec(bare);
  if (match) return { module: match[1], side: match[2] === 'A' ? 'a' : 'b' };
  const vector = /^(.+)\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$/.exec(bare);
  if (vector) return { module: vector[1], side: 'm' };
  throw new FactoryError({
    code: 'ADAPTERS_UNSUPPORTED',
    message: `${path}: tensor ${name.slice(0, 200)}: expected lora_A and lora_B matrices of linear layers only, found something else`,
    remedy:
      'Use a plain LoRA adapter, or merge this one into its base model with PEFT and use the merged model.',
    details: { path, tensor: name },
  });
}

async function notFound(dir: string, missing: string): Promise<FactoryError> {
  const names = await readdir(dir).catch(() => null);
  if (names?.includes('adapter_model.bin') && missing === WEIGHTS) {
    return new FactoryError({
      code: 'ADAPTERS_BAD_FILE',
      message: `${join(dir, 'adapter_model.bin')}: expected ${WEIGHTS}, found a PyTorch pickle, which can run code when loaded`,
      remedy: 'Save the adapter again with PEFT and safe_serialization=True.',
      details: { dir },
    });
  }
  const found =
    names === null ? 'no such folder' : `no such file (${names.slice(0, 5).join(', ') || 'an empty folder'})`;
  return new FactoryError({
    code: 'ADAPTERS_NOT_FOUND',
    message: `${join(dir, missing)}: expected a PEFT adapter folder with ${CONFIG} and ${WEIGHTS}, found ${found}`,
    remedy: 'Set adapter_name_or_path to the output_dir of a LoRA run or to one of its checkpoints.',
    details: { dir },
  });
}

function badFile(path: string, problem: string): FactoryError {
  return new FactoryError({
    code: 'ADAPTERS_BAD_FILE',
    message: `${path}: ${problem}`,
    remedy: READER.remedy,
    details: { path },
  });
}
