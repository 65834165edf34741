// In: nothing. Out: what a GGUF file consists of: the metadata as the file reader hands it to the tokenizer, the fields that
// a writer stores with their types, and the sizes of ggml's tensor types.

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[] | Float32Array | Int32Array;

/** Keys such as `tokenizer.ggml.tokens`, as in the GGUF specification. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export type GgufScalarType =
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'float32'
  | 'bool'
  | 'string'
  | 'uint64'
  | 'int64'
  | 'float64';

/** A metadata value with the type that it has in the file. */
export type GgufField =
  | { type: GgufScalarType; value: number | bigint | boolean | string }
  | { type: 'array'; of: GgufScalarType; value: ArrayLike<number | bigint | boolean | string> };

/** In the order of the file. */
export type GgufFields = ReadonlyMap<string, GgufField>;

/** ggml's tensor types: number in the file, values per block, bytes per block. */
export const GGML_TYPES = {
  F32: { id: 0, size: 1, bytes: 4 },
  F16: { id: 1, size: 1, bytes: 2 },
  Q4_0: { id: 2, size: 32, bytes: 18 },
  Q4_1: { id: 3, size: 32, bytes: 20 },
  Q5_0: { id: 6, size: 32, bytes: 22 },
  Q5_1: { id: 7, size: 32, bytes: 24 },
  Q8_0: { id: 8, size: 32, bytes: 34 },
  Q2_K: { id: 10, size: 256, bytes: 84 },
  Q3_K: { id: 11, size: 256, bytes: 110 },
  Q4_K: { id: 12, size: 256, bytes: 144 },
  Q5_K: { id: 13, size: 256, bytes: 176 },
  Q6_K: { id: 14, size: 256, bytes: 210 },
  BF16: { id: 30, size: 1, bytes: 2 },
} as const;

export type GgmlType = keyof typeof GGML_TYPES;
