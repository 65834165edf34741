// In: graphs and host memory. Out: the same results as any backend, computed by the float64 interpreter. The oracle that
// others are compared with; far too slow for real models.
import { EngineError } from '../errors.ts';
import type { Graph } from '../graph/node.ts';
import type { Backend, Executable, Tensor } from './backend.ts';
import { bindFeeds } from './feeds.ts';
import { HostMemory } from './host-memory.ts';
import { HostTensor } from './host-tensor.ts';
import { evaluateReference, type HostValue } from './reference.ts';

function toHostValue(tensor: HostTensor): HostValue {
  return {
    dims: [...tensor.dims],
    dtype: tensor.dtype,
    data: Float64Array.from(tensor.data as ArrayLike<number>, Number),
  };
}

function toTensor({ dims, dtype, data }: HostValue): HostTensor {
  return new HostTensor(dtype, dims, dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data));
}

class ReferenceExecutable implements Executable {
  readonly name: string;
  readonly inputs: Executable['inputs'];
  readonly outputs: readonly string[];
  #graph: Graph | null;

  constructor(graph: Graph) {
    this.name = graph.name;
    this.inputs = graph.inputs.map((n) => ({ name: n.attrs.name, shape: n.shape, dtype: n.dtype }));
    this.outputs = [...graph.outputs.keys()];
    this.#graph = graph;
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const graph = this.#graph;
    if (!graph)
      throw new EngineError({
        code: 'ENGINE_USE_AFTER_DISPOSE',
        message: `graph ${this.name} was run after it had been disposed`,
        remedy: 'Dispose an executable only after its last run.',
      });
    bindFeeds(this.name, graph.inputs, feeds);
    const values = new Map<string, HostValue>();
    for (const { attrs } of graph.inputs)
      values.set(attrs.name, toHostValue(feeds[attrs.name] as HostTensor));
    const results = evaluateReference(graph, values);
    return Object.fromEntries([...results].map(([name, value]) => [name, toTensor(value)]));
  }

  async shrink(): Promise<void> {}

  async dispose(): Promise<void> {
    this.#graph = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

class ReferenceBackend extends HostMemory implements Backend {
  readonly name = 'reference';
  readonly #executables = new Set<ReferenceExecutable>();

  async compile(graph: Graph): Promise<Executable> {
    const executable = new ReferenceExecutable(graph);
    this.#executables.add(executable);
    return executable;
  }

  trim(): void {}

  async dispose(): Promise<void> {
    for (const executable of this.#executables) await executable.dispose();
    this.#executables.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

export function openReferenceBackend(): Backend {
  return new ReferenceBackend();
}
