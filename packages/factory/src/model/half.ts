// In: typed arrays of 16-bit patterns or float32. Out: the same numbers in the other type, rounded to nearest, ties to
// even, like the hardware. Whole arrays only; patterns live in Uint16Array. Conversions to 16 bits keep NaN and infinity.
import { invariant } from '#factory/errors.ts';

/** f16 patterns, and what was lost on the way. */
export interface CheckedHalf {
  data: Uint16Array;
  /** Finite values that became infinite. */
  overflowed: number;
  /** Largest |before - after| over the values that stayed finite. */
  maxAbsError: number;
  /** Values that were infinite or NaN before. */
  notFinite: number;
}

/** What each bf16 pattern becomes, and its error; made on first use. */
let bf16Table: { patterns: Uint16Array; errors: Float32Array } | undefined;

export function f16ToF32(from: Uint16Array, into = new Float32Array(from.length)): Float32Array {
  invariant(into.length === from.length, `f16ToF32: ${from.length} values into ${into.length}`);
  into.set(halves(from));
  return into;
}

export function f32ToF16(from: Float32Array, into = new Uint16Array(from.length)): Uint16Array {
  invariant(into.length === from.length, `f32ToF16: ${from.length} values into ${into.length}`);
  halves(into).set(from);
  return into;
}

export function bf16ToF32(from: Uint16Array, into = new Float32Array(from.length)): Float32Array {
  invariant(into.length === from.length, `bf16ToF32: ${from.length} values into ${into.length}`);
  const bits = bitsOf(into);
  for (let i = 0; i < from.length; i++) bits[i] = from[i] << 16;
  return into;
}

export function f32ToBf16(from: Float32Array, into = new Uint16Array(from.length)): Uint16Array {
  invariant(into.length === from.length, `f32ToBf16: ${from.length} values into ${into.length}`);
  const bits = bitsOf(from);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i];
    // Rounding a NaN could carry into infinity; its top bits with the quiet bit set are a NaN for certain.
    into[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return into;
}

/**
 * f16 has 3 more bits of precision than bf16 but ends at 65,504 and below 6e-8: says what did not fit. `into` may be `from`
 * itself. Two values at a time, since nearly all weights are normal in both types.
 */
export function bf16ToF16Checked(
  from: Uint16Array,
  into: Uint16Array = new Uint16Array(from.length),
): CheckedHalf {
  invariant(into.length === from.length, `bf16ToF16Checked: ${from.length} values into ${into.length}`);
  bf16Table ??= makeBf16Table();
  const { patterns, errors } = bf16Table;
  let overflowed = 0;
  let maxAbsError = 0;
  let notFinite = 0;
  const one = (i: number) => {
    const x = from[i];
    into[i] = patterns[x];
    const error = errors[x];
    if ((x & 0x7f80) === 0x7f80) notFinite++;
    else if (error === Infinity) overflowed++;
    else if (error > maxAbsError) maxAbsError = error;
  };
  const aligned = from.byteOffset % 4 === 0 && into.byteOffset % 4 === 0;
  const pairs = aligned ? from.length >>> 1 : 0;
  const source = aligned ? new Int32Array(from.buffer, from.byteOffset, pairs) : new Int32Array(0);
  const target = aligned ? new Int32Array(into.buffer, into.byteOffset, pairs) : source;
  for (let i = 0; i < pairs; i++) {
    const x = source[i];
    const magnitudes = x & 0x7fff7fff;
    // From 0x3880 to 0x477f a value is normal in both types: exact, only the exponent is rebiased from 127 to 15.
    if (((magnitudes & 0xffff) - 0x3880) >>> 0 < 0xf00 && ((magnitudes >>> 16) - 0x3880) >>> 0 < 0xf00) {
      target[i] = (x & 0x80008000) | ((magnitudes - 0x38003800) << 3);
    } else {
      one(2 * i);
      one(2 * i + 1);
    }
  }
  for (let i = 2 * pairs; i < from.length; i++) one(i);
  return { data: into, overflowed, maxAbsError, notFinite };
}

export function f32ToF16Checked(from: Float32Array, into = new Uint16Array(from.length)): CheckedHalf {
  f32ToF16(from, into);
  const after = halves(into);
  let overflowed = 0;
  let maxAbsError = 0;
  let notFinite = 0;
  for (let i = 0; i < from.length; i++) {
    const error = Math.abs(from[i] - after[i]);
    // Infinity and NaN that were there before give NaN here.
    if (error === Infinity) overflowed++;
    else if (error > maxAbsError) maxAbsError = error;
    else if (Number.isNaN(error)) notFinite++;
  }
  return { data: into, overflowed, maxAbsError, notFinite };
}

function makeBf16Table(): { patterns: Uint16Array; errors: Float32Array } {
  const values = bf16ToF32(allPatterns());
  const patterns = f32ToF16(values);
  const back = f16ToF32(patterns);
  // NaN and infinity are not losses; a finite value that became infinite has an infinite error.
  const errors = values.map((value, i) => (Number.isFinite(value) ? Math.abs(value - back[i]) : 0));
  return { patterns, errors };
}

function allPatterns(): Uint16Array<ArrayBuffer> {
  return Uint16Array.from({ length: 65_536 }, (_, i) => i);
}

/** Signed, so that every pattern is a small integer to the compiler. */
function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

function halves(patterns: Uint16Array): Float16Array {
  return new Float16Array(patterns.buffer, patterns.byteOffset, patterns.length);
}
