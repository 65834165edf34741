// In: tensors of a forward pass. Out: the same tensors when the backward pass asks for them, from a temporary file. Writing
// goes on while the next layer runs; one write at a time, so that at most two layers are in memory. The file has no name
// where the system allows that, so that nothing is left behind however the process ends.
import { closeSync, ftruncateSync, mkdtempSync, openSync, read, rmSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Backend, Tensor } from '@tunesmith/engine';
import { FactoryError, invariant } from '#factory/errors.ts';
import { diskError } from '#factory/store/disk-error.ts';

const readAt = promisify(read);
const writeAt = promisify(write);
/** The most that one call writes or reads; systems stop at 2 GiB. */
const PIECE = 2 ** 28;

interface Place {
  at: number;
  bytes: number;
  dims: readonly number[];
}

export type Spilled = ReadonlyMap<string, Place>;

export class SpillFile {
  readonly #backend: Backend;
  /** What messages call the file. */
  readonly #path: string;
  readonly #folder: string;
  #fd: number | null;
  #end = 0;
  /** Sets of tensors that have not been taken or dropped. */
  #live = 0;
  #writing: Promise<void> = Promise.resolve();
  readonly #spare: Float32Array<ArrayBuffer>[] = [];

  constructor(backend: Backend, dir: string) {
    this.#backend = backend;
    try {
      this.#folder = mkdtempSync(join(dir, '.residuals-'));
      this.#path = join(this.#folder, 'residuals');
      this.#fd = openSync(this.#path, 'wx+');
    } catch (error) {
      throw diskError(error, 'create a file for activations in', dir);
    }
    // Windows keeps the names of open files; they go on closing.
    if (process.platform !== 'win32') rmSync(this.#folder, { recursive: true });
  }

  /** Begins to write f32 `tensors`, which it disposes when they are written; waits for the write before. */
  async put(tensors: Readonly<Record<string, Tensor>>): Promise<Spilled> {
    await this.#writing;
    const all = Object.values(tensors);
    const values = await this.#backend.readAll(all);
    const places = new Map<string, Place>();
    let at = this.#end;
    Object.keys(tensors).forEach((name, i) => {
      invariant(values[i] instanceof Float32Array, `${name} is not f32`);
      places.set(name, { at, bytes: values[i].byteLength, dims: all[i].dims });
      at += values[i].byteLength;
    });
    const from = this.#end;
    this.#end = at;
    this.#live++;
    this.#writing = this.#write(values as Float32Array[], from).finally(() => {
      for (const tensor of all) tensor.dispose();
    });
    // Thrown where the next write or the first read waits.
    this.#writing.catch(() => {});
    return places;
  }

  /** The tensors again; `done` gives their memory back. The place on the disk is free afterwards. */
  async take(places: Spilled): Promise<{ tensors: Record<string, Tensor>; done(): void }> {
    await this.#writing;
    const buffers: Float32Array<ArrayBuffer>[] = [];
    const tensors: Record<string, Tensor> = {};
    for (const [name, { at, bytes, dims }] of places) {
      const values = this.#buffer(bytes);
      buffers.push(values);
      await this.#each(values, at, 'read activations from', readAt);
      tensors[name] = this.#backend.tensor('f32', dims, values);
    }
    this.drop();
    return { tensors, done: () => this.#spare.push(...buffers) };
  }

  /** Forgets one set of tensors that will not be taken. */
  drop(): void {
    this.#live--;
    if (this.#live > 0) return;
    this.#end = 0;
  }

  close(): void {
    if (this.#fd === null) return;
    ftruncateSync(this.#fd);
    closeSync(this.#fd);
    this.#fd = null;
    this.#spare.length = 0;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Layers of one shape ask for the same sizes again and again. */
  #buffer(bytes: number): Float32Array<ArrayBuffer> {
    const known = this.#spare.findIndex((b) => b.byteLength === bytes);
    if (known >= 0) return this.#spare.splice(known, 1)[0];
    // Those of other batches.
    if (this.#spare.length > 64) this.#spare.length = 0;
    return new Float32Array(bytes / 4);
  }

  async #write(arrays: readonly Float32Array[], from: number): Promise<void> {
    let at = from;
    for (const values of arrays) {
      await this.#each(values, at, 'write activations to', writeAt);
      at += values.byteLength;
    }
  }

  async #each(
    values: Float32Array,
    from: number,
    doing: string,
    call: (fd: number, bytes: Uint8Array, offset: number, length: number, at: number) => Promise<object>,
  ): Promise<void> {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    try {
      for (let done = 0; done < bytes.length; ) {
        invariant(this.#fd !== null, 'the file for activations is closed');
        const result = await call(this.#fd, bytes, done, Math.min(PIECE, bytes.length - done), from + done);
        const moved =
          'bytesWritten' in result ? result.bytesWritten : (result as { bytesRead: number }).bytesRead;
        invariant((moved as number) > 0, 'the file for activations ends early');
        done += moved as number;
      }
    } catch (error) {
      const typed = diskError(error, doing, this.#path);
      if (typed.code !== 'STORE_DISK_FULL') throw typed;
      throw new FactoryError({
        code: typed.code,
        message: typed.message,
        remedy:
          'Free disk space, set spill_dir to a folder on a larger disk, or set residual_policy to recompute; then run the same command again.',
        details: typed.details,
        cause: error,
      });
    }
  }
}
