// In: the name of a model: a folder, a known public model, a hub id, or a size and a vocabulary. Out: its config, and its
// tokenizer where there is one. No weights are read, and no more than config.json is downloaded.
import { stat } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import { parseModelConfig, readModelConfig } from '#factory/model/config.ts';
import { openGguf } from '#factory/model/gguf/open-gguf.ts';
import { isHubId } from '#factory/model/hub.ts';
import { fetchHubConfig } from '#factory/model/hub-config.ts';
import { resolveModelFolder } from '#factory/model/open-model.ts';
import { KNOWN_SHAPES } from '#factory/plan/known-shapes.ts';
import { parseParameters, shapeFromSize } from '#factory/plan/shape-from-size.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { ggufTokenizerFiles } from '#factory/tokens/gguf-tokenizer.ts';
import { openTokenizer, tokenizerOf } from '#factory/tokens/tokenizer.ts';
import { type BaseDeps, hubOptions, isGguf } from './open-base.ts';

export interface PlannedModel {
  title: string;
  config: ModelConfig;
  /** Null where there is no more than a shape. */
  tokenizer: (() => Promise<TextTokenizer>) | null;
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
  if (folder?.isFile() && isGguf(name)) {
    const { config, metadata, weights } = await openGguf(name);
    await weights.close();
    const split = { splitSpecialTokens: args.split_special_tokens };
    const tokenizer = async () => tokenizerOf(ggufTokenizerFiles(metadata, name), name, split);
    return { title: name, config, tokenizer };
  }
  if (folder?.isDirectory())
    return { title: name, config: await readModelConfig(name), tokenizer: tokenizerIn(name, args) };
  if (count !== null) {
    const raw = shapeFromSize(count, vocabSize);
    const title = `a model of ${size.toUpperCase()} parameters, vocabulary ${vocabSize}`;
    return { title, config: parseModelConfig(raw, title), tokenizer: null };
  }
  if (parameters !== null)
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `parameters: expected a size such as 7B, 1.5B or 350M, found ${JSON.stringify(parameters)}`,
      remedy: 'Write the number of parameters with B or M behind it.',
    });
  const known = knownShape(name);
  if (known) return { title: known.name, config: parseModelConfig(known.raw, known.name), tokenizer: null };
  if (!isHubId(name)) throw unknownModel(name);
  const options = hubOptions(args, deps);
  try {
    const dir = await resolveModelFolder(name, { ...options, offline: true });
    return { title: name, config: await readModelConfig(dir), tokenizer: tokenizerIn(dir, args) };
  } catch (error) {
    if (options.offline || !(error instanceof FactoryError) || error.code !== 'MODEL_OFFLINE') throw error;
  }
  const raw = await fetchHubConfig(name, { revision: args.model_revision, token: options.token ?? null });
  return { title: name, config: parseModelConfig(raw, `${name}/config.json`), tokenizer: null };
}

const tokenizerIn = (dir: string, args: TrainArgs) => () =>
  openTokenizer(dir, { splitSpecialTokens: args.split_special_tokens });

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
    message: `expected a model folder, a GGUF file, a hub id, a size such as 7B, or one of ${Object.keys(KNOWN_SHAPES).join(', ')}; found ${JSON.stringify(name)}`,
    remedy: 'Write --model_name_or_path with one of these, or --parameters 7B.',
  });
}
