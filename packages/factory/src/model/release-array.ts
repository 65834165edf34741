// In: an array that nobody reads any more. Out: its memory, given back now. The garbage collector sees only how small the
// object is, and would do it some gigabytes later.

/** The array, and every other view of its buffer, is empty afterwards. */
export function releaseArray(array: Float32Array | Uint16Array | Uint8Array): void {
  (array.buffer as ArrayBuffer).transfer(0);
}
