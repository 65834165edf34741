// In: an open checkpoint. Out: the same, with experts that are stacked in one tensor per layer (as transformers 5 holds them in
// memory, and saves them when told to) under the names of single matrices. Nothing is read here before it is asked for.
import { invariant } from '#factory/errors.ts';
import type { ExpertsConfig } from '#factory/records/model-config.ts';
import type { SafetensorsSource } from './safetensors.ts';

interface Part {
  from: string;
  /** In values. */
  offset: number;
  shape: number[];
}

const STACKED = /^(.*layers\.\d+)\.(?:mlp|block_sparse_moe)\.experts\.(gate_up_proj|down_proj)$/;
const ROUTER = /^(.*layers\.\d+)\.mlp\.gate\.weight$/;

export function splitExperts(source: SafetensorsSource, experts: ExpertsConfig | null): SafetensorsSource {
  const parts = new Map<string, Part>();
  if (!experts || ![...source.tensors.keys()].some((name) => STACKED.test(name))) return source;
  const { names } = experts;
  const tensors = new Map(source.tensors);
  for (const [name, entry] of source.tensors) {
    const router = ROUTER.exec(name);
    const stacked = STACKED.exec(name);
    if (router) addPart(`${router[1]}.${names.router}.weight`, { from: name, offset: 0, shape: entry.shape });
    if (!stacked || entry.shape.length !== 3) continue;
    const [, layer, kind] = stacked;
    const [count, rows, columns] = entry.shape;
    for (let e = 0; e < count; e++) {
      const below = `${layer}.${names.prefix}.${e}`;
      const offset = e * rows * columns;
      const half = Math.floor(rows / 2);
      if (kind === 'down_proj')
        addPart(`${below}.${names.down}.weight`, { from: name, offset, shape: [rows, columns] });
      else {
        const gate = { from: name, offset, shape: [half, columns] };
        addPart(`${below}.${names.gate}.weight`, gate);
        addPart(`${below}.${names.up}.weight`, { ...gate, offset: offset + half * columns });
      }
    }
    tensors.delete(name);
  }

  function addPart(name: string, part: Part) {
    const { dtype, file } = source.tensors.get(part.from)!;
    if (name !== part.from) tensors.delete(part.from);
    parts.set(name, part);
    tensors.set(name, { dtype, file, shape: part.shape });
  }

  const readInto = async (name: string, bytes: Uint8Array, offset = 0) => {
    const part = parts.get(name);
    const entry = tensors.get(name);
    invariant(source.readInto && entry, `no readable tensor ${name}`);
    const start = part ? part.offset * (entry.dtype === 'F32' ? 4 : 2) : 0;
    await source.readInto(part?.from ?? name, bytes, start + offset);
  };
  return {
    tensors,
    otherDtypes: source.otherDtypes,
    readInto,
    async read(name) {
      const part = parts.get(name);
      if (!part) return source.read(name);
      const { dtype, shape } = tensors.get(name)!;
      const count = shape[0] * shape[1];
      const data = dtype === 'F32' ? new Float32Array(count) : new Uint16Array(count);
      await readInto(name, new Uint8Array(data.buffer));
      return { name, dtype, shape, data };
    },
    close: () => source.close(),
  };
}
