// In: rows as canonical JSON, one after the other. Out: any of them again by its number. All rows rest as UTF-8 in large
// shared buffers, several times smaller than as objects, so that a million short rows fit beside everything else.
import { rowFromJson } from '#factory/records/clean-row.ts';
import type { RowSet } from './clean-step.ts';

/** Rows longer than this get a buffer of their own. */
const BUFFER_BYTES = 16 * 1024 * 1024;

export class RowStore implements RowSet {
  #buffers: Buffer[] = [];
  #used = BUFFER_BYTES;
  /** Where each row lies: number of its buffer, first byte, length. */
  #places = new Uint32Array(3 * 1024);
  #ids = new BigUint64Array(1024);
  count = 0;

  append(json: string, id: string): void {
    const bytes = Buffer.byteLength(json);
    if (this.#used + bytes > (this.#buffers.at(-1)?.length ?? 0)) {
      this.#buffers.push(Buffer.from(new SharedArrayBuffer(Math.max(BUFFER_BYTES, bytes))));
      this.#used = 0;
    }
    this.#buffers.at(-1)!.write(json, this.#used);
    if (this.count === this.#ids.length) this.#grow();
    this.#places.set([this.#buffers.length - 1, this.#used, bytes], 3 * this.count);
    this.#ids[this.count] = BigInt(`0x${id}`);
    this.#used += bytes;
    this.count++;
  }

  json(index: number): string {
    const [buffer, start, length] = this.#places.subarray(3 * index, 3 * index + 3) as unknown as [
      number,
      number,
      number,
    ];
    return this.#buffers[buffer]!.toString('utf8', start, start + length);
  }

  row(index: number) {
    return rowFromJson(this.json(index));
  }

  id(index: number): string {
    return this.#ids[index]!.toString(16).padStart(16, '0');
  }

  #grow(): void {
    const places = new Uint32Array(2 * this.#places.length);
    places.set(this.#places);
    this.#places = places;
    const ids = new BigUint64Array(2 * this.#ids.length);
    ids.set(this.#ids);
    this.#ids = ids;
  }
}
