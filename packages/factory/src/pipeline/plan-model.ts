// In: the name of a model: a folder, a known public model, a hub id, or a size and a vocabulary. Out: its config, and its
// folder where there is one. No weights are read, and no more than config.json is downloaded.
import { stat } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import { parseModelConfig, readModelConfig } from '#factory/model/config.ts';
import { isHubId } from '#factory/model/hub.ts';
import { fetchHubConfig } from '#factory/model/hub-config.ts';
import { resolveModelFolder } from '#factory/model/open-model.ts';
import { KNOWN_SHAPES } from '#factory/plan/known-shapes.ts';
import { parseParameters, shapeFromSize } from '#factory/plan/shape-from-size.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type BaseDeps, hubOptions } from './open-base.ts';

export interface PlannedModel {
  title: string;
  config: ModelConfig;
  /** Where its tokenizer is, or null. */
  dir: string | null;
}

export interface ModelWish {
  args: TrainArgs;
  /** Such as `7B`. */
  parameters: string | null;
  vocabSize: number;
}

export async function planModel(
  { args, parameters, vocabSize }: ModelWish,
  deps: BaseDeps,
): Promise<PlannedModel> {
  const name = args.model_name_or_path;
  const size = parameters ?? name;
  const count = parseParameters(size);
  const folder = parameters === null && name ? await stat(name).catch(() => null) : null;
  if (folder?.isDirectory()) return { title: name, config: await readModelConfig(name), dir: name };
  if (count !== null) {
    const raw = shapeFromSize(count, vocabSize);
    const title = `a model of ${size.toUpperCase()} parameters, vocabulary ${vocabSize}`;
    return { title, config: parseModelConfig(raw, title), dir: null };
  }
  if (parameters !== null)
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `parameters: expected a size such as 7B, 1.5B or 350M, found ${JSON.stringify(parameters)}`,
      remedy: 'Write the number of parameters with B or M behind it.',
    });
  const known = knownShape(name);
  if (known) return { title: known.name, config: parseModelConfig(known.raw, known.name), dir: null };
  if (!isHubId(name)) throw unknownModel(name);
  const options = hubOptions(args, deps);
  try {
    const dir = await resolveModelFolder(name, { ...options, offline: true });
    return { title: name, config: await readModelConfig(dir), dir };
  } catch (error) {
    if (options.offline || !(error instanceof FactoryError) || error.code !== 'MODEL_OFFLINE') throw error;
  }
  const raw = await fetchHubConfig(name, { revision: args.model_revision, token: options.token ?? null });
  return { title: name, config: parseModelConfig(raw, `${name}/config.json`), dir: null };
}

/** `Qwen/Qwen2.5-7B-Instruct` has the shape of `Qwen2.5-7B`. */
function knownShape(name: string): { name: string; raw: Readonly<Record<string, unknown>> } | null {
  const plain = (text: string) =>
    text
      .replace(/^.*\//, '')
      .replace(/-(instruct|chat|base|hf|it)\b/gi, '')
      .replace(/-v\d[\w.]*$/i, '')
      .toLowerCase();
  const found = Object.entries(KNOWN_SHAPES).find(([known]) => plain(known) === plain(name));
  return found ? { name: found[0], raw: found[1] } : null;
}

function unknownModel(name: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_NOT_FOUND',
    message: `expected a model folder, a hub id, a size such as 7B, or one of ${Object.keys(KNOWN_SHAPES).join(', ')}; found ${JSON.stringify(name)}`,
    remedy: 'Write --model_name_or_path with one of these, or --parameters 7B.',
  });
}
