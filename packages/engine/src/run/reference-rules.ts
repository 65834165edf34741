// In: the attributes of an operation, the values of its inputs and the sizes of its result. Out: the result in float64,
// by the definition in op.ts and as plainly as possible: this is the oracle that the fast backends are held to.
// No blocking, no fusing, no f32 rounding. f16 elements are their 16-bit patterns; only `cast` reads or writes them.
import { EngineError } from '../errors.ts';
import type { DType, Op, OpAttrs } from '../graph/op.ts';
import { elementCount } from './host-tensor.ts';

export interface HostValue {
  dims: number[];
  dtype: DType;
  data: Float64Array;
}

/** What a rule must produce: `dims` are the sizes of the node under the bindings of the run. */
interface Result {
  dims: number[];
}

type ReferenceRule<O extends Op> = (attrs: OpAttrs[O], inputs: HostValue[], result: Result) => Float64Array;
type ReferenceRules = { [O in Op]: ReferenceRule<O> };

/** Row-major distances between neighbours along each axis. */
function strides(dims: readonly number[]): number[] {
  const out = Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) out[i] = out[i + 1] * dims[i + 1];
  return out;
}

/** Where each element of a walk over `dims`, last axis fastest, lies in an array with `steps` per axis. */
function walk(dims: readonly number[], steps: readonly number[], start = 0): Int32Array {
  let offsets = Int32Array.of(start);
  dims.forEach((size, axis) => {
    const next = new Int32Array(offsets.length * size);
    let at = 0;
    for (const offset of offsets) for (let i = 0; i < size; i++) next[at++] = offset + i * steps[axis];
    offsets = next;
  });
  return offsets;
}

/** Where each element of a result of `dims` comes from in a value that broadcasts to it. */
function broadcastFrom(x: HostValue, dims: readonly number[]): Int32Array {
  const offset = dims.length - x.dims.length;
  const own = strides(x.dims);
  return walk(
    dims,
    dims.map((_, i) => (i < offset || x.dims[i - offset] === 1 ? 0 : own[i - offset])),
  );
}

const pick = (x: HostValue, from: Int32Array): Float64Array => Float64Array.from(from, (i) => x.data[i]);

const unary =
  (f: (x: number) => number): ReferenceRule<Op> =>
  (_attrs, [x]) =>
    x.data.map(f);

const binary =
  (f: (a: number, b: number) => number): ReferenceRule<Op> =>
  (_attrs, [a, b], { dims }) => {
    const right = pick(b, broadcastFrom(b, dims));
    return pick(a, broadcastFrom(a, dims)).map((value, i) => f(value, right[i]));
  };

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const half = new Float16Array(1);
const halfBits = new Uint16Array(half.buffer);
function fromHalf(bits: number): number {
  halfBits[0] = bits;
  return half[0];
}
function toHalf(value: number): number {
  half[0] = value;
  return halfBits[0];
}

const INTEGER_ARRAY = { u8: Uint8Array, i32: Int32Array } as const;
function castElement(from: DType, to: DType): (bits: number) => number {
  const read = from === 'f16' ? fromHalf : (x: number) => x;
  if (to === 'f32') return read;
  if (to === 'f16') return (x) => toHalf(read(x));
  if (to === 'i64') return (x) => Math.trunc(read(x));
  const wrap = new INTEGER_ARRAY[to](1);
  return (x) => {
    wrap[0] = Math.trunc(read(x));
    return wrap[0];
  };
}

function reduce(
  x: HostValue,
  axes: readonly number[],
  first: number,
  f: (a: number, b: number) => number,
): Float64Array {
  const kept = strides(x.dims.map((d, i) => (axes.includes(i) ? 1 : d)));
  const to = walk(
    x.dims,
    kept.map((s, i) => (axes.includes(i) ? 0 : s)),
  );
  const out = new Float64Array(elementCount(x.dims.filter((_, i) => !axes.includes(i)))).fill(first);
  x.data.forEach((value, i) => {
    out[to[i]] = f(out[to[i]], value);
  });
  return out;
}

/** Calls `f` with each slice along the last axis, and with where the slice starts. */
function eachRow(x: HostValue, f: (row: Float64Array, start: number) => void): void {
  const size = x.dims[x.dims.length - 1];
  for (let at = 0; at < x.data.length; at += size) f(x.data.subarray(at, at + size), at);
}

function softmaxRow(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const e = row.map((v) => Math.exp(v - top));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / total);
}

function checkIndex(op: Op, index: number, size: number): number {
  if (Number.isInteger(index) && index >= 0 && index < size) return index;
  throw new EngineError({
    code: 'ENGINE_RUN_FAILED',
    message: `${op}: expected an index from 0 to ${size - 1}, found ${index}`,
    remedy: `Give ${op} indices that lie inside the axis they pick from.`,
  });
}

function gather(op: Op, x: HostValue, index: HostValue): Float64Array {
  const width = elementCount(x.dims.slice(1));
  const out = new Float64Array(index.data.length * width);
  index.data.forEach((row, i) => {
    const from = checkIndex(op, row, x.dims[0]) * width;
    out.set(x.data.subarray(from, from + width), i * width);
  });
  return out;
}

export const referenceRules: ReferenceRules = {
  /** The evaluator passes the fed value. */
  input: (_attrs, [fed]) => fed.data,
  constant: ({ value }) => Float64Array.of(value),

  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  sigmoid: unary(sigmoid),
  silu: unary((x) => x * sigmoid(x)),
  tanh: unary(Math.tanh),
  gelu_tanh: unary((x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  cast: ({ to }, [x]) => x.data.map(castElement(x.dtype, to)),

  matmul: ({ transA, transB, alpha }, [a, b], { dims }) => {
    const [m, n] = dims.slice(-2);
    const k = a.dims[a.dims.length - (transA ? 2 : 1)];
    const [rowA, stepA] = transA ? [1, m] : [k, 1];
    const [stepB, columnB] = transB ? [1, k] : [n, 1];
    const out = new Float64Array(elementCount(dims));
    for (let at = 0, baseA = 0, baseB = 0; at < out.length; at += m * n, baseA += m * k, baseB += k * n) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let total = 0;
          for (let l = 0; l < k; l++)
            total += a.data[baseA + i * rowA + l * stepA] * b.data[baseB + l * stepB + j * columnB];
          out[at + i * n + j] = alpha * total;
        }
      }
    }
    return out;
  },

  reshape: (_attrs, [x]) => x.data.slice(),
  transpose: ({ perm }, [x], { dims }) => {
    const own = strides(x.dims);
    return pick(
      x,
      walk(
        dims,
        perm.map((p) => own[p]),
      ),
    );
  },
  expand: (_attrs, [x], { dims }) => pick(x, broadcastFrom(x, dims)),
  concat: ({ axis }, inputs, { dims }) => {
    const out = new Float64Array(elementCount(dims));
    const steps = strides(dims);
    let start = 0;
    for (const x of inputs) {
      walk(x.dims, steps, start).forEach((to, i) => {
        out[to] = x.data[i];
      });
      start += x.dims[axis] * steps[axis];
    }
    return out;
  },
  slice: ({ axis, start }, [x], { dims }) => {
    const own = strides(x.dims);
    return pick(x, walk(dims, own, start * own[axis]));
  },
  gather_rows: (_attrs, [x, index]) => gather('gather_rows', x, index),
  scatter_rows: (_attrs, [dy, index], { dims }) => {
    const width = elementCount(dims.slice(1));
    const out = new Float64Array(elementCount(dims));
    index.data.forEach((row, i) => {
      const to = checkIndex('scatter_rows', row, dims[0]) * width;
      for (let c = 0; c < width; c++) out[to + c] += dy.data[i * width + c];
    });
    return out;
  },
  pad: ({ clear }, [x, slotOf, real]) => {
    const width = x.dims[1];
    const rows = gather('pad', x, slotOf);
    return clear ? rows.map((value, i) => value * real.data[Math.floor(i / width)]) : rows;
  },
  unpad: (_attrs, [x, , , place]) => gather('unpad', x, place),

  reduce_sum: ({ axes }, [x]) => reduce(x, axes, 0, (a, b) => a + b),
  reduce_mean: ({ axes }, [x]) => {
    const count = elementCount(axes.map((axis) => x.dims[axis]));
    return reduce(x, axes, 0, (a, b) => a + b).map((total) => total / count);
  },
  reduce_max: ({ axes }, [x]) => reduce(x, axes, Number.NEGATIVE_INFINITY, Math.max),

  softmax: (_attrs, [x]) => {
    const out = new Float64Array(x.data.length);
    eachRow(x, (row, start) => out.set(softmaxRow(row), start));
    return out;
  },
  softmax_grad: (_attrs, [y, dy]) => {
    const out = new Float64Array(y.data.length);
    eachRow(y, (row, start) => {
      const total = row.reduce((sum, value, i) => sum + value * dy.data[start + i], 0);
      row.forEach((value, i) => {
        out[start + i] = value * (dy.data[start + i] - total);
      });
    });
    return out;
  },
  rms_norm: ({ eps }, [x, w]) => {
    const out = new Float64Array(x.data.length);
    eachRow(x, (row, start) => {
      const rms = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + eps);
      row.forEach((value, i) => {
        out[start + i] = (value / rms) * w.data[i];
      });
    });
    return out;
  },
  rope: ({ inverse, interleaved }, [x, cos, sin]) => {
    const [, heads, d] = x.dims;
    const half = cos.dims[2];
    const out = x.data.slice();
    eachRow(x, (row, start) => {
      const table = Math.floor(start / (heads * d)) * half;
      for (let i = 0; i < half; i++) {
        const c = cos.data[table + i];
        const s = inverse ? -sin.data[table + i] : sin.data[table + i];
        const [p, q] = interleaved ? [2 * i, 2 * i + 1] : [i, i + half];
        out[start + p] = row[p] * c - row[q] * s;
        out[start + q] = row[q] * c + row[p] * s;
      }
    });
    return out;
  },
  nll: (_attrs, [logits, labels]) => {
    const out = new Float64Array(labels.data.length);
    eachRow(logits, (row, start) => {
      const n = start / row.length;
      const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0);
      out[n] = top + Math.log(total) - row[checkIndex('nll', labels.data[n], row.length)];
    });
    return out;
  },
  nll_grad: (_attrs, [logits, labels, dy]) => {
    const out = new Float64Array(logits.data.length);
    eachRow(logits, (row, start) => {
      const n = start / row.length;
      out.set(
        softmaxRow(row).map((p) => p * dy.data[n]),
        start,
      );
      out[start + checkIndex('nll_grad', labels.data[n], row.length)] -= dy.data[n];
    });
    return out;
  },
  argmax: (_attrs, [x], { dims }) => {
    const out = new Float64Array(elementCount(dims));
    eachRow(x, (row, start) => {
      out[start / row.length] = row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
    });
    return out;
  },
};
