// In: allocations and frees in the order of a run. Out: how many bytes the runtime's arena has touched. It follows ONNX
// Runtime's BFC arena (bfc_arena.cc): best fit, chunks that split and join, regions that double in size.

const ALIGNMENT = 256;
const FIRST_REGION = 2 ** 20;
const LARGEST_STEP = 2 ** 30;
/** A free chunk is split unless less than this would be left over, and less than half. */
const MAX_DEAD_BYTES = 128 * 2 ** 20;
const PAGE = 4096;

interface Chunk {
  region: number;
  start: number;
  size: number;
  isFree: boolean;
}

export class Arena {
  /** In the order of addresses, regions one after the other. */
  readonly #chunks: Chunk[] = [];
  /** Up to where each region has been written. */
  readonly #touched: number[] = [];
  readonly #regionSizes: number[] = [];
  readonly #byId = new Map<number, Chunk>();
  #nextId = 0;
  #regionStep = FIRST_REGION;

  /** Takes memory and writes all of it; the number names it for `free`. */
  allocate(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let chunk = this.#find(size);
    if (!chunk) {
      this.#extend(size);
      chunk = this.#find(size) as Chunk;
    }
    if (chunk.size >= 2 * size || chunk.size - size >= MAX_DEAD_BYTES) {
      const rest = { ...chunk, start: chunk.start + size, size: chunk.size - size };
      this.#chunks.splice(this.#chunks.indexOf(chunk) + 1, 0, rest);
      chunk.size = size;
    }
    chunk.isFree = false;
    const end = chunk.start + Math.ceil(bytes / PAGE) * PAGE;
    this.#touched[chunk.region] = Math.max(
      this.#touched[chunk.region],
      Math.min(end, this.#regionSizes[chunk.region]),
    );
    this.#byId.set(this.#nextId, chunk);
    return this.#nextId++;
  }

  free(id: number): void {
    const chunk = this.#byId.get(id) as Chunk;
    this.#byId.delete(id);
    chunk.isFree = true;
    const at = this.#chunks.indexOf(chunk);
    this.#join(at, at + 1);
    this.#join(at - 1, at);
  }

  get touchedBytes(): number {
    return this.#touched.reduce((a, b) => a + b, 0);
  }

  #find(size: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#chunks)
      if (chunk.isFree && chunk.size >= size && (!best || isBefore(chunk, best))) best = chunk;
    return best;
  }

  #extend(size: number): void {
    let isIncreased = false;
    while (size > this.#regionStep) {
      this.#regionStep *= 2;
      isIncreased = true;
    }
    const region = this.#touched.length;
    this.#touched.push(0);
    this.#regionSizes.push(this.#regionStep);
    this.#chunks.push({ region, start: 0, size: this.#regionStep, isFree: true });
    if (!isIncreased) this.#regionStep = Math.min(2 * this.#regionStep, LARGEST_STEP);
  }

  /** Two free neighbours of one region become one chunk. */
  #join(left: number, right: number): void {
    const [a, b] = [this.#chunks[left], this.#chunks[right]];
    if (!a?.isFree || !b?.isFree || a.region !== b.region) return;
    a.size += b.size;
    this.#chunks.splice(right, 1);
  }
}

/** Of equal chunks the one at the lowest address; systems place later regions below earlier ones. */
function isBefore(a: Chunk, b: Chunk): boolean {
  return a.size < b.size || (a.size === b.size && a.region > b.region);
}
