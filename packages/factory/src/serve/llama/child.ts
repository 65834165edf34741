// In: messages from the process that forked this one. Out: answers of llama.cpp, as messages. It holds the model, so that a crash of
// native code, or the end of memory, ends no server; and it ends itself when that process is gone.
import { FactoryError } from '#factory/errors.ts';
import { type Batcher, openBatcher } from './batcher.ts';
import { type LlamaBinding, openBinding } from './binding.ts';
import { type ContextPool, openContextPool, type PooledContext } from './context-pool.ts';
import type { FromEngine, KeyedAdapter, LlamaSettings, SentFailure, ToEngine } from './messages.ts';
import { sizeContext } from './size-context.ts';

const send = (message: FromEngine) => void process.send?.(message);

interface Engine {
  binding: LlamaBinding;
  pool: ContextPool;
  batcher: Batcher;
}

let engine: Engine | null = null;
let embedder: ReturnType<LlamaBinding['openEmbedder']> | null = null;
let embedding: Promise<unknown> = Promise.resolve();

process.on('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole group; streams are finished first, by the parent's word.
process.on('SIGINT', () => {});
process.on('message', (message: ToEngine) => {
  if (message.kind === 'open') void open(message.settings, message.adapters);
  else if (message.kind === 'close') process.exit(0);
  else if (engine !== null) answer(engine, message);
});

async function open(settings: LlamaSettings, adapters: readonly KeyedAdapter[]): Promise<void> {
  try {
    const binding = await openBinding(settings);
    const { contextSize, bytes } = await sizeContext(binding, settings);
    const pool = await openContextPool(binding, {
      contextSize,
      slots: settings.slots,
      most: settings.contexts,
    });
    const batcher = openBatcher(binding, settings.batchSize, {
      tick: (tokens, details, ends) => send({ kind: 'tick', tokens, details, ends }),
      scores: (id, rows) => send({ kind: 'scores', id, rows }),
      scored: (id) => send({ kind: 'done', id }),
      freed: () => pool.settle(),
    });
    // Their contexts are opened when they are asked, so that one that has gone keeps nothing else from being served.
    for (const adapter of adapters) pool.know(adapter);
    engine = { binding, pool, batcher };
    const { vocabSize, trainedContextSize, pooling, device, weightBytes } = binding;
    const memory = { weights: weightBytes, perContext: bytes };
    send({ kind: 'opened', facts: { contextSize, vocabSize, trainedContextSize, pooling, device, memory } });
  } catch (error) {
    send({ kind: 'failed', id: null, failure: failureOf(error) });
  }
}

function answer(
  { binding, pool, batcher }: Engine,
  message: Exclude<ToEngine, { kind: 'open' | 'close' }>,
): void {
  const { kind } = message;
  const fail = (id: number) => (error: unknown) => send({ kind: 'failed', id, failure: failureOf(error) });
  const done = (id: number) => () => send({ kind: 'done', id });
  switch (kind) {
    case 'ask': {
      const { id, ask } = message;
      const asked = performance.now();
      const begin = (context: PooledContext) =>
        void batcher.begin(id, ask, context, performance.now() - asked).catch(fail(id));
      pool.admit(id, ask.adapter, begin, fail(id));
      break;
    }
    case 'score': {
      const { id, prompt, adapter } = message;
      pool.admit(id, adapter, (context) => batcher.score(id, prompt, context), fail(id));
      break;
    }
    case 'abort':
      if (!pool.withdraw(message.id)) batcher.abort(message.id);
      break;
    case 'load':
      pool.add(message.adapter).then(done(message.id), fail(message.id));
      break;
    case 'unload':
      pool.remove(message.key).then(done(message.id), fail(message.id));
      break;
    case 'embed': {
      const { id, inputs } = message;
      embedding = embedding
        .then(() => embedAll(binding, inputs))
        .then((vectors) => send({ kind: 'vectors', id, vectors }), fail(id));
      break;
    }
  }
}

async function embedAll(binding: LlamaBinding, inputs: readonly Uint32Array[]): Promise<Float32Array[]> {
  embedder ??= binding.openEmbedder();
  const { embed } = await embedder;
  const vectors: Float32Array[] = [];
  for (const ids of inputs) vectors.push(unit(await embed(ids)));
  return vectors;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((one) => one / length);
}

function failureOf(error: unknown): SentFailure {
  if (error instanceof FactoryError)
    return { code: error.code as SentFailure['code'], message: error.message, remedy: error.remedy };
  const text = error instanceof Error ? error.message : String(error);
  const isFull = /memory|alloc/i.test(text);
  return {
    code: isFull ? 'SERVE_MEMORY' : 'SERVE_ENGINE',
    message: `llama.cpp: ${text}`,
    remedy: isFull ? 'Set a smaller `context_size` or fewer `slots`.' : 'Ask again.',
  };
}
