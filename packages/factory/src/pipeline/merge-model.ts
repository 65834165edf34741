// In: a base and adapters. Out: the base with the adapters folded in, as a source of weights in one type: read tensor by
// tensor, so that memory is that of the largest. Nothing is written.
import { matrixProduct, openBackend } from '@tunesmith/engine';
import { checkAdapterFits, readPeftAdapter } from '#factory/adapters/peft.ts';
import { FactoryError } from '#factory/errors.ts';
import { inType } from '#factory/model/convert-type.ts';
import { adaptedTensors } from '#factory/model/expected-tensors.ts';
import { floatsOf } from '#factory/model/load-weights.ts';
import { untieHead } from '#factory/model/untie-head.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';
import type { ModelConfig, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { baseEditor } from './open-adapters.ts';
import type { Base } from './open-base.ts';

export interface MergedModel {
  config: ModelConfig;
  weights: Pick<WeightSource, 'tensors' | 'read'>;
  /** Tensors that an adapter changed. */
  changed: ReadonlySet<string>;
  close(): Promise<void>;
}

/** `dtype` null keeps that of every tensor, a changed one's too; 'exact' keeps it where no adapter changed it. */
export async function mergeModel(
  base: Pick<Base, 'config' | 'weights'>,
  adapterDirs: readonly string[],
  dtype: WeightTensor['dtype'] | 'exact' | null,
): Promise<MergedModel> {
  const shapes = adaptedTensors(base.config);
  const merged: LoraAdapter[] = [];
  for (const dir of adapterDirs) {
    const adapter = await readPeftAdapter(dir);
    checkAdapterFits(adapter, shapes);
    if (adapter.loftqIterations) throw notMergeable(dir);
    merged.push(adapter);
  }
  const names = merged.flatMap(({ pairs, whole }) => [
    ...pairs.map(({ module }) => `${module}.weight`),
    ...(whole ?? []).map(({ name }) => name),
  ]);
  const { config, source } = untieHead(base, names);
  const backend = await openBackend('cpu');
  const edit = baseEditor(
    { merged, continued: null, settings: null, lora: null, tensors: new Set() },
    matrixProduct(backend),
    new Map(),
  );
  const changed = new Set(names);
  const typeOf = (name: string, own: WeightTensor['dtype']): WeightTensor['dtype'] => {
    if (dtype === 'exact') return changed.has(name) ? 'F32' : own;
    return dtype ?? own;
  };
  const tensors = new Map(
    [...source.tensors].map(([name, entry]) => [name, { ...entry, dtype: typeOf(name, entry.dtype) }]),
  );
  const read = async (name: string): Promise<WeightTensor> => {
    const tensor = await source.read(name);
    const wanted = typeOf(name, tensor.dtype);
    if (!changed.has(name)) return inType(tensor, wanted);
    const values = floatsOf(tensor);
    await edit(name, values);
    return inType({ name, shape: tensor.shape, dtype: 'F32', data: values }, wanted);
  };
  return { config, weights: { tensors, read }, changed, close: () => backend.dispose() };
}

function notMergeable(dir: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `adapter ${dir}: LoftQ of more than one iteration belongs to the base in 4 bits, not to its full weights`,
    remedy: 'Serve it on the 4-bit base, or train with loftq_iter 1, whose adapter can be merged.',
  });
}
