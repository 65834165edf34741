// In: a model to serve: a GGUF file or a folder, with adapters. Out: it and its adapters as models under their names, on one engine
// that ends with the last of them. Further adapters can be put on it while it answers.
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { FactoryError } from '#factory/errors.ts';
import type { EmbeddedEntry } from '#factory/records/serve-args.ts';
import type { ServedModel } from '#factory/records/served-model.ts';
import type { ServedTemplate } from '#factory/records/served-template.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { type EmbeddedOptions, embeddedModel } from '#factory/serve/embedded-model.ts';
import { type LlamaEngine, openLlamaEngine } from '#factory/serve/llama-engine.ts';
import { llamaSettings } from '#factory/serve/llama-settings.ts';
import { ggufTokenizerFiles } from '#factory/tokens/gguf-tokenizer.ts';
import { streamDecoder } from '#factory/tokens/stream-decoder.ts';
import { tokenBytes } from '#factory/tokens/token-bytes.ts';
import { tokenizerOf } from '#factory/tokens/tokenizer.ts';
import { ggufFacts } from './gguf-facts.ts';
import { ggufServedTemplate, storedTemplate } from './gguf-served-template.ts';
import type { BaseDeps } from './open-base.ts';
import { callId } from './open-own-model.ts';
import { servedAdapterFile, servedFile } from './served-file.ts';

export interface NamedModel {
  id: string;
  model: ServedModel;
}

export interface ServedBase {
  readonly engine: LlamaEngine;
  /** The base, then the adapters that it was opened with. */
  readonly models: readonly [NamedModel, ...NamedModel[]];
  /** One more, as a model of its own. Closing that takes the adapter out again. */
  addAdapter(id: string, path: string, scale: number): Promise<NamedModel>;
}

/** `named` renders in place of what the entry and the file say. */
export async function openServedModel(
  entry: EmbeddedEntry,
  deps: BaseDeps,
  named?: (tokenizer: TextTokenizer) => ServedTemplate,
): Promise<ServedBase> {
  const file = await servedFile(entry.path, entry.template, deps);
  const { metadata, sum } = await ggufFacts(file);
  const tokenizer = tokenizerOf(ggufTokenizerFiles(metadata, file), file);
  const template = named?.(tokenizer) ?? ggufServedTemplate(metadata, tokenizer, entry.template);
  if (template === null)
    deps.note(
      `${file} has no chat template: it continues text, and takes conversations with template set only`,
    );
  const wish = {
    modelPath: file,
    contextSize: entry.context_size,
    slots: entry.slots ?? undefined,
    threads: entry.threads ?? undefined,
    gpu: entry.gpu === 'off' ? (false as const) : entry.gpu,
    gpuLayers: entry.gpu_layers,
    mlock: entry.mlock,
  };
  const machine = { processors: availableParallelism(), memory: process.availableMemory() };
  const engine = await openLlamaEngine(llamaSettings(wish, machine));
  let shares = 0;
  let adapterCount = 0;

  function share(
    id: string,
    adapter: string | null,
    adapterSum: string,
    template: ServedTemplate | null,
  ): NamedModel {
    shares++;
    const made = [sum, adapterSum, template?.fingerprint ?? ''].join('\n');
    const options: EmbeddedOptions = {
      id,
      engine,
      adapter,
      tokenizer,
      template,
      skipSpecialTokens: true,
      decoder: (wish) => streamDecoder(tokenizer, wish),
      bytesOf: tokenBytes(tokenizer),
      can: { embeddings: engine.facts.pooling, logprobs: true, jsonSchema: true },
      fingerprint: `fp_${createHash('sha256').update(made).digest('hex').slice(0, 12)}`,
      callId,
      async release() {
        if (adapter !== null && engine.isReady()) await engine.unloadAdapter(adapter);
        shares--;
        if (shares === 0) await engine.close();
      },
    };
    return { id, model: embeddedModel(options) };
  }

  async function addAdapter(id: string, from: string, scale: number): Promise<NamedModel> {
    const path = await servedAdapterFile(from, deps);
    const { metadata: own, sum: ownSum } = await ggufFacts(path);
    if (own.get('general.type') !== 'adapter') throw noAdapterFile(path);
    // It is asked as it was trained, which may be otherwise than its base is asked.
    const isGiven = named !== undefined || entry.template !== null;
    const rendered = (isGiven ? null : storedTemplate(own, tokenizer)) ?? template;
    // Another name each time: one that is replaced goes on under its own until its answers have ended.
    const name = `${id}#${++adapterCount}`;
    await engine.loadAdapter(name, path, scale);
    return share(id, name, `${ownSum} ${scale}`, rendered);
  }

  try {
    const models: [NamedModel, ...NamedModel[]] = [share(entry.id, null, '', template)];
    for (const { id, path, scale } of entry.adapters) models.push(await addAdapter(id, path, scale));
    return { engine, models, addAdapter };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function noAdapterFile(path: string): FactoryError {
  return new FactoryError({
    code: 'ADAPTERS_UNSUPPORTED',
    message: `${path}: expected a GGUF file of a LoRA adapter, found something else`,
    remedy:
      'Name the folder of the adapter, or export it with tunesmith export --to gguf --adapter_only true.',
    details: { path },
  });
}
