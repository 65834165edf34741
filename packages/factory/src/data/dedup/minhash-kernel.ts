// In: a set of 32-bit hashes and the factors and shifts of hash functions. Out: the least value of each function over the set.
// This inner loop is most of the work of finding near duplicates, so it is WebAssembly with 4 lanes (1.9 µs for 31 shingles and
// 252 functions, where the same loop in JavaScript takes 11 to 16 µs). The bytes are written out below, one instruction a line.

/** Byte addresses in the module's memory; room for 1,024 functions, then the set. */
const SHIFTS_AT = 4096;
const LEAST_AT = 8192;
const SET_AT = 12288;
const PAGE = 65536;
export const MAX_FUNCTIONS = 1024;

const SIMD = 0xfd;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const I32_CONST = 0x41;
const I32_ADD = 0x6a;
const I32_LT_U = 0x49;
const BR_IF = 0x0d;
const LOOP = [0x03, 0x40];
const END = 0x0b;

/** least(functionsEnd, setEnd): for each 4 functions, for each hash: m = min(m, hash · factor + shift). */
const BODY = [
  ...[2, 2, 0x7f, 3, 0x7b], // locals: 2, 3 are i32 (function, hash); 4, 5, 6 are v128 (m, factor, shift)
  ...LOOP,
  ...[LOCAL_GET, 2, SIMD, 0x00, 4, 0, LOCAL_SET, 5], // factor = load(function)
  ...[LOCAL_GET, 2, SIMD, 0x00, 4, 0x80, 0x20, LOCAL_SET, 6], // shift = load(function + SHIFTS_AT)
  ...[SIMD, 0x0c, ...[0, 1, 2, 3].flatMap(() => [0xff, 0xff, 0xff, 0x7f]), LOCAL_SET, 4], // m = 2^31 − 1
  ...[I32_CONST, 0x80, 0xe0, 0x00, LOCAL_SET, 3], // hash = SET_AT
  ...LOOP,
  ...[LOCAL_GET, 4],
  ...[LOCAL_GET, 3, SIMD, 0x09, 2, 0], // load32_splat(hash)
  ...[LOCAL_GET, 5, SIMD, 0xb5, 0x01], // i32x4.mul
  ...[LOCAL_GET, 6, SIMD, 0xae, 0x01], // i32x4.add
  ...[SIMD, 0xb6, 0x01, LOCAL_SET, 4], // i32x4.min_s
  ...[LOCAL_GET, 3, I32_CONST, 4, I32_ADD, LOCAL_TEE, 3, LOCAL_GET, 1, I32_LT_U, BR_IF, 0, END],
  ...[LOCAL_GET, 2, LOCAL_GET, 4, SIMD, 0x0b, 4, 0x80, 0x40], // store(function + LEAST_AT, m)
  ...[LOCAL_GET, 2, I32_CONST, 16, I32_ADD, LOCAL_TEE, 2, LOCAL_GET, 0, I32_LT_U, BR_IF, 0, END],
  END,
];

const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
const section = (id: number, bytes: number[]) => [id, bytes.length, ...bytes];

const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 0]), // one type: (i32, i32) → ()
  ...section(3, [1, 0]),
  ...section(5, [1, 0, 1]), // one page of memory; it grows
  ...section(7, [2, ...text('memory'), 2, 0, ...text('least'), 0, 0]),
  // A function body shorter than 16,384 bytes has a length of two LEB128 bytes at most; this one is between 128 and 255.
  ...[10, ...leb(BODY.length + 3), 1, ...leb(BODY.length)],
  ...BODY,
]);

function leb(n: number): number[] {
  return [(n & 0x7f) | 0x80, n >> 7];
}

/** The little of WebAssembly that is used; its types come with those of browsers only. */
interface Wasm {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (
    module: object,
  ) => { exports: { memory: Memory; least: (end: number, setEnd: number) => void } };
}

interface Memory {
  buffer: ArrayBuffer;
  grow(pages: number): number;
}

const { Module, Instance } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;

export class MinHashKernel {
  readonly #memory: Memory;
  readonly #run: (functionsEnd: number, setEnd: number) => void;
  readonly #bytes: number;
  #words: Int32Array;

  /** `factors` and `shifts` have one number per function; at most 1,024 functions. */
  constructor(factors: Int32Array, shifts: Int32Array) {
    const { exports } = new Instance(new Module(MODULE));
    this.#memory = exports.memory;
    this.#run = exports.least;
    this.#words = new Int32Array(this.#memory.buffer);
    this.#words.set(factors, 0);
    this.#words.set(shifts, SHIFTS_AT / 4);
    this.#bytes = factors.length * 4;
  }

  /** One number per function, valid until the next call. `set` must not be empty. */
  least(set: Int32Array): Int32Array {
    const end = SET_AT + set.length * 4;
    if (end > this.#words.byteLength) {
      this.#memory.grow(Math.ceil((end * 1.5 - this.#words.byteLength) / PAGE));
      this.#words = new Int32Array(this.#memory.buffer);
    }
    this.#words.set(set, SET_AT / 4);
    this.#run(this.#bytes, end);
    return this.#words.subarray(LEAST_AT / 4, (LEAST_AT + this.#bytes) / 4);
  }
}
