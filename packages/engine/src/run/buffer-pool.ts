// In: byte counts. Out: host buffers that are used again once they are given back. The runtime writes its outputs into
// them; memory that it allocated itself would be freed only when the garbage collector notices.

/** Sizes are rounded up to an eighth of their power of two, so that batches of similar length share buffers. */
export function roundedSize(bytes: number): number {
  const step = Math.max(4096, 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, bytes))) - 3));
  return Math.ceil(bytes / step) * step;
}

export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  take(bytes: number): ArrayBuffer {
    const size = roundedSize(bytes);
    const buffer = this.#free.get(size)?.pop();
    if (buffer) this.#freeBytes -= size;
    this.#usedBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes + this.#freeBytes);
    return buffer ?? new ArrayBuffer(size);
  }

  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    const list = this.#free.get(size) ?? [];
    list.push(buffer);
    this.#free.set(size, list);
    this.#freeBytes += size;
    this.#usedBytes -= size;
  }

  /** Drops free buffers, largest first, until at most `keepBytes` of them are left. */
  trim(keepBytes: number): void {
    for (const size of [...this.#free.keys()].sort((a, b) => b - a)) {
      const list = this.#free.get(size) as ArrayBuffer[];
      while (list.length > 0 && this.#freeBytes > keepBytes) {
        // Detached, so that it goes back now and not when the garbage collector notices.
        list.pop()?.transfer(0);
        this.#freeBytes -= size;
      }
    }
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** The most that was held at once, used and free together. */
  get peakBytes(): number {
    return this.#peakBytes;
  }
}
