// In: models under names. Out: leases of them for one request each, so that a model can be replaced or taken out while requests
// are under way: those go on with the model that they began with, and it is closed after the last.
import { FactoryError } from '#factory/errors.ts';
import type { ServedModel } from '#factory/records/served-model.ts';

export interface ModelLease {
  readonly model: ServedModel;
  release(): void;
}

export interface ModelState {
  id: string;
  model: ServedModel;
  /** Requests under way. */
  leases: number;
  /** Milliseconds since 1970. */
  since: number;
}

interface Entry extends ModelState {
  retired: (() => void) | null;
}

export class ModelSet {
  #entries = new Map<string, Entry>();
  #closing = new Set<Promise<void>>();
  #now: () => number;

  /** `now` gives milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  lease(id: string): ModelLease {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noModel(id, [...this.#entries.keys()]);
    entry.leases++;
    let isOut = true;
    return {
      model: entry.model,
      release() {
        if (!isOut) return;
        isOut = false;
        entry.leases--;
        if (entry.leases === 0) entry.retired?.();
      },
    };
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  list(): ModelState[] {
    return [...this.#entries.values()];
  }

  /** New requests get this model from now on. Resolves when the one that it replaces, if any, has been closed. */
  put(id: string, model: ServedModel): Promise<void> {
    const old = this.#entries.get(id);
    this.#entries.set(id, { id, model, leases: 0, since: this.#now(), retired: null });
    return old === undefined ? Promise.resolve() : this.#retire(old);
  }

  /** Resolves when requests under way have ended and the model is closed. */
  remove(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noModel(id, [...this.#entries.keys()]);
    this.#entries.delete(id);
    return this.#retire(entry);
  }

  async close(): Promise<void> {
    for (const id of [...this.#entries.keys()]) void this.remove(id);
    await Promise.all(this.#closing);
  }

  #retire(entry: Entry): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      entry.retired = resolve;
      if (entry.leases === 0) resolve();
    }).then(() => entry.model.close());
    this.#closing.add(closed);
    void closed.finally(() => this.#closing.delete(closed)).catch(() => undefined);
    return closed;
  }
}

function noModel(id: string, ids: string[]): FactoryError {
  return new FactoryError({
    code: 'SERVE_NO_MODEL',
    message: `The model ${JSON.stringify(id.slice(0, 200))} does not exist or you do not have access to it; served are ${ids.join(', ') || 'none'}.`,
    remedy: 'Name one of the models that /v1/models lists.',
  });
}
