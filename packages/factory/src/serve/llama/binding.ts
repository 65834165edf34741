// In: the settings of an engine. Out: llama.cpp as the engine uses it: a model, contexts of several sequences, samplers, grammars.
// This is the one file that imports node-llama-cpp. Its documented classes open model and contexts; passes and samples go
// through the native objects inside, since the loop above them costs more than a pass of a small model.
import {
  getLlama,
  type Llama,
  type LlamaContext,
  LlamaGrammarEvaluationState,
  type LlamaModel,
} from 'node-llama-cpp';
import { FactoryError } from '#factory/errors.ts';
import type { CacheType, KeyedAdapter, LlamaSettings } from './messages.ts';

/** The native context; a place in a batch that asked for logits is read by the index that `addToBatch` gives. */
export interface NativeContext {
  initBatch(tokens: number): void;
  addToBatch(
    sequence: number,
    firstPosition: number,
    tokens: Uint32Array,
    withLogits: Uint32Array,
  ): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(index: number, sampler: NativeSampler): Promise<number>;
  /** [id, probabilities, confidence, pairs of id and logit, sum of exp(logit - greatest logit)]. */
  sampleToken(
    index: number,
    sampler: NativeSampler,
    probabilities: false,
    confidence: false,
    logits:
      | true
      | [ids: readonly number[], withMax: boolean, withMin: boolean, withSelected: boolean, top: number],
    sum: boolean,
  ): Promise<[number, undefined, undefined, number[], number]>;
  disposeSequence(sequence: number): void;
  /** From `start` up to `end`, -1 for all; false where the model keeps no state that could be cut. */
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
}

export interface NativeSampler {
  applyConfig(config: SamplerConfig): void;
  dispose(): void;
}

export interface SamplerConfig {
  temperature: number;
  topK?: number;
  topP?: number;
  minP?: number;
  seed?: number;
  repeatPenalty?: number;
  repeatPenaltyMaxTokens?: number;
  repeatPenaltyTokens?: Uint32Array;
  repeatPenaltyPresencePenalty?: number;
  repeatPenaltyFrequencyPenalty?: number;
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
  grammarEvaluationState?: unknown;
}

export interface OpenContext {
  native: NativeContext;
  contextSize: number;
  close(): Promise<void>;
}

export interface LlamaBinding {
  vocabSize: number;
  trainedContextSize: number;
  /** False where state can only grow or be thrown away: recurrent models and sliding windows. */
  canCut: boolean;
  pooling: boolean;
  device: string;
  weightBytes: number;
  isEnd(id: number): boolean;
  /** Bytes of a context, as llama.cpp estimates them. */
  contextBytes(contextSize: number): Promise<number>;
  openContext(contextSize: number, adapter: KeyedAdapter | null): Promise<OpenContext>;
  newSampler(): NativeSampler;
  /** A fresh state of the grammar, which one answer advances. */
  newGrammarState(grammar: string): Promise<unknown>;
  openEmbedder(): Promise<{ embed(ids: Uint32Array): Promise<Float32Array>; close(): Promise<void> }>;
}

const CACHE_TYPES: Readonly<Record<CacheType, 'F32' | 'F16' | 'Q8_0'>> = {
  f32: 'F32',
  f16: 'F16',
  q8_0: 'Q8_0',
};

export async function openBinding(settings: LlamaSettings): Promise<LlamaBinding> {
  const complaints: string[] = [];
  const llama = await openLibrary(settings, (text) => complaints.push(text));
  const model = await openModel(llama, settings, complaints);
  const makeSampler = samplerMaker(llama, model);
  const { metadata } = model.fileInfo;
  const ofArchitecture = (metadata as unknown as Record<string, { pooling_type?: number } | undefined>)[
    metadata.general.architecture
  ];
  const { fileInsights } = model;
  return {
    vocabSize: vocabularyOf(metadata),
    trainedContextSize: model.trainContextSize,
    canCut: !fileInsights.isRecurrent && !fileInsights.isHybrid && !fileInsights.swaSize,
    pooling: (ofArchitecture?.pooling_type ?? 0) > 0,
    device: llama.gpu === false ? 'cpu' : llama.gpu,
    weightBytes: model.size,
    isEnd: (id) => model.isEogToken(id as never),
    async contextBytes(contextSize) {
      const { cpuRam, gpuVram } = await fileInsights.estimateContextResourceRequirementsV2({
        contextSize,
        modelGpuLayers: model.gpuLayers,
        batchSize: settings.batchSize,
        sequences: settings.slots,
      });
      return cpuRam + gpuVram;
    },
    async openContext(contextSize, adapter) {
      const context = await model.createContext({
        contextSize,
        sequences: settings.slots,
        batchSize: settings.batchSize,
        threads: settings.threads,
        failedCreationRemedy: false,
        ...(adapter && { lora: { adapters: [{ filePath: adapter.path, scale: adapter.scale }] } }),
      });
      return { native: nativeOf(context), contextSize: context.contextSize, close: () => context.dispose() };
    },
    newSampler: makeSampler,
    async newGrammarState(text) {
      const state = new LlamaGrammarEvaluationState({
        model,
        grammar: await llama.createGrammar({ grammar: text }),
      });
      return (state as unknown as { _state: unknown })._state;
    },
    async openEmbedder() {
      const context = await model.createEmbeddingContext({
        contextSize: { max: model.trainContextSize },
        threads: settings.threads,
      });
      return {
        embed: async (ids) =>
          Float32Array.from((await context.getEmbeddingFor(Array.from(ids) as never[])).vector),
        close: () => context.dispose(),
      };
    },
  };
}

async function openLibrary(settings: LlamaSettings, onComplaint: (text: string) => void): Promise<Llama> {
  try {
    return await getLlama({
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      gpu: settings.gpu,
      maxThreads: settings.threads,
      logger: (level, message) => {
        if (level === 'error' || level === 'fatal') onComplaint(message.trim());
      },
    });
  } catch (cause) {
    const on = settings.gpu === false ? 'the CPU' : settings.gpu;
    throw new FactoryError({
      code: 'SERVE_ENGINE',
      message: `llama.cpp cannot be started for ${on} on this machine: ${textOf(cause)}`,
      remedy:
        settings.gpu === false
          ? 'Run `npm ci` on this machine, so that its build of llama.cpp is installed.'
          : 'Set `gpu` to `false`, or install the driver of the GPU.',
      cause,
    });
  }
}

async function openModel(llama: Llama, settings: LlamaSettings, complaints: string[]): Promise<LlamaModel> {
  try {
    return await llama.loadModel({
      modelPath: settings.modelPath,
      useMlock: settings.mlock,
      useMmap: settings.mmap ?? 'auto',
      gpuLayers: settings.gpuLayers ?? 'auto',
      experimentalDefaultContextKvCacheKeyType: CACHE_TYPES[settings.cacheType ?? 'f16'],
      experimentalDefaultContextKvCacheValueType: CACHE_TYPES[settings.cacheType ?? 'f16'],
      // Flash attention rounds keys and values to 16 bits, and only it reads those of 8 bits.
      defaultContextFlashAttention:
        settings.cacheType === 'f32' ? false : settings.cacheType === 'q8_0' || 'auto',
    });
  } catch (cause) {
    const why = [textOf(cause), ...complaints].join('; ');
    const isFull = /memory|alloc/i.test(why);
    throw new FactoryError({
      code: isFull ? 'SERVE_MEMORY' : 'SERVE_MODEL',
      message: `llama.cpp cannot load ${settings.modelPath}: ${why}`,
      remedy: isFull
        ? 'Serve a smaller quantisation, or free memory.'
        : 'Check the file with `tunesmith export verify`, or write it again with `tunesmith export --to gguf`.',
      cause,
    });
  }
}

function samplerMaker(llama: Llama, model: LlamaModel): () => NativeSampler {
  type Maker = new (model: unknown) => NativeSampler;
  const Sampler = (llama as unknown as { _bindings?: { AddonSampler?: Maker } })._bindings?.AddonSampler;
  const native = (model as unknown as { _model?: unknown })._model;
  if (!Sampler || !native) throw otherVersion();
  return () => new Sampler(native);
}

function nativeOf(context: LlamaContext): NativeContext {
  const native = (context as unknown as { _ctx?: NativeContext })._ctx;
  if (typeof native?.sampleToken !== 'function' || typeof native.addToBatch !== 'function')
    throw otherVersion();
  return native;
}

function otherVersion(): FactoryError {
  return new FactoryError({
    code: 'SERVE_ENGINE',
    message:
      'The installed version of node-llama-cpp lacks the native objects that the engine is written for (3.22)',
    remedy: 'Run `npm ci`, so that the version of package-lock.json is installed.',
  });
}

function vocabularyOf(metadata: LlamaModel['fileInfo']['metadata']): number {
  const tokenizer = (metadata as { tokenizer?: { ggml?: { tokens?: readonly unknown[] } } }).tokenizer;
  return tokenizer?.ggml?.tokens?.length ?? 0;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
