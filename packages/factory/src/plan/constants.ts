// In: nothing. Out: what memory is not counted but measured. `benchmarks/memory` measures peaks that they must fit.

/** Node, ONNX Runtime and our own code, before a model is opened. */
export const RUNTIME_BYTES = 155e6;
/** Small objects and short-lived arrays. */
export const HEAP_BYTES = 35e6;
/** The arena takes this many times what its simulation counts. */
export const SCRATCH_FACTOR = 1.1;
/** A compiled graph: code, threads and kernel state. */
export const SESSION_BYTES = 4e6;
/** Ids and labels of a row in memory. */
export const DATA_BYTES_PER_TOKEN = 8;
/** A tokenizer's vocabulary and merges as objects, and what reading them leaves. */
export const TOKENIZER_BYTES_PER_ENTRY = 1100;
/** Smaller blocks come from the C library's heap, where freed ones may stay; larger ones go back to the system. */
export const MAPPED_BYTES = 2 ** 25;
/** As many freed blocks of a batch's hidden rows stay in that heap. */
export const KEPT_BLOCKS = 3;
