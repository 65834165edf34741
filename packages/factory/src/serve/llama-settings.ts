// In: what a user sets of an engine, and the machine. Out: all its settings, or a typed error that names the wrong one.
import { FactoryError } from '#factory/errors.ts';
import type { LlamaSettings } from './llama/messages.ts';

export interface LlamaEngineOptions extends LlamaSettings {
  /** Questions that may wait for a slot. */
  queue: number;
}

export interface Machine {
  /** Processors that this process may use. */
  processors: number;
  /** Bytes of memory that it may take. */
  memory: number;
}

/** Of the memory that is free: the rest is for the server, the logits and the system. */
const SHARE_OF_MEMORY = 0.8;
const MOST_SLOTS = 256;
const DEFAULT_SLOTS = 4;
const DEFAULT_BATCH = 512;
const QUEUE_PER_SLOT = 16;
const DEFAULT_CONTEXTS = 4;

/** What is left out gets the default for this machine. */
export function llamaSettings(
  wish: Partial<LlamaEngineOptions> & Pick<LlamaEngineOptions, 'modelPath'>,
  machine: Machine,
): LlamaEngineOptions {
  const slots = wish.slots ?? DEFAULT_SLOTS;
  const settings: LlamaEngineOptions = {
    modelPath: wish.modelPath,
    contextSize: wish.contextSize ?? null,
    slots,
    batchSize: wish.batchSize ?? Math.max(DEFAULT_BATCH, slots),
    // More threads than processors wait for each other at every operation.
    threads: wish.threads ?? machine.processors,
    gpu: wish.gpu ?? false,
    gpuLayers: wish.gpuLayers ?? null,
    mmap: wish.mmap ?? null,
    mlock: wish.mlock ?? false,
    cacheType: wish.cacheType ?? 'f16',
    contexts: wish.contexts ?? DEFAULT_CONTEXTS,
    memoryLimit: wish.memoryLimit ?? Math.floor(machine.memory * SHARE_OF_MEMORY),
    queue: wish.queue ?? QUEUE_PER_SLOT * slots,
  };
  check('slots', settings.slots, 1, MOST_SLOTS);
  check('batch_size', settings.batchSize, settings.slots, 65_536);
  check('threads', settings.threads, 1, 1024);
  check('contexts', settings.contexts, 1, 64);
  check('queue', settings.queue, 0, 1e6);
  if (settings.contextSize !== null) check('context_size', settings.contextSize, 2, 2 ** 24);
  if (settings.gpuLayers !== null) check('gpu_layers', settings.gpuLayers, 0, 10_000);
  return settings;
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `\`${name}\` is ${value}, not a whole number from ${least} to ${most}`,
    remedy: `Set \`${name}\` within these bounds.`,
  });
}
