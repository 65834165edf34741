// In: nothing. Out: the metadata of a GGUF file as it crosses from the file reader to the tokenizer, with checked access.

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[] | Float32Array | Int32Array;

/** Keys such as `tokenizer.ggml.tokens`, as in the GGUF specification. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;
