// In: rows from files or from the pass before, and row steps. Out: the rows as they go on, and their scores and edits in the
// ledger, batch by batch in order, whatever the order in which threads finish.
import type { BatchResult, PassLayout, RowEdit } from '#factory/data/clean-batch.ts';
import { passLayout, shortHash } from '#factory/data/clean-batch.ts';
import { readInput } from '#factory/data/clean-input.ts';
import type { CleanPool } from '#factory/data/clean-pool.ts';
import type { RecipeInput, RecipeStep } from '#factory/data/clean-recipe.ts';
import type { InputPlan } from '#factory/data/describe-inputs.ts';
import { RowStore } from '#factory/data/row-store.ts';
import { FactoryError } from '#factory/errors.ts';
import { rowToJson } from '#factory/records/clean-row.ts';
import type { UnreadableRow } from '#factory/records/ledger.ts';
import type { CleanLedger, Column } from '#factory/store/clean-ledger.ts';
import type { CleanDeps } from './clean-deps.ts';

/** Large enough to keep a thread busy for some milliseconds, small enough to show progress. */
const BATCH_ROWS = 512;
const BATCH_CHARS = 1 << 20;
/** Rows per transaction: what a run that is killed does anew. */
const COMMIT_ROWS = 16_384;

interface Batch {
  json: string[];
  ids: string[];
  file: number[];
  line: number[];
  unreadable: UnreadableRow[];
}

const emptyBatch = (): Batch => ({ json: [], ids: [], file: [], line: [], unreadable: [] });

/** The first pass: reads the files. Rows that a stopped run committed are read again, but not measured again. */
export async function readRowPass(
  plan: InputPlan,
  input: RecipeInput,
  steps: readonly RecipeStep[],
  rows: RowStore,
  pool: CleanPool,
  ledger: CleanLedger,
  deps: CleanDeps,
): Promise<void> {
  const writer = new PassWriter(0, passLayout(steps), ledger, rows);
  const done = await writer.begin();
  const bytes = plan.files.reduce((sum, file) => sum + file.bytes, 0);
  deps.onEvent({ kind: 'start', files: plan.files.length, bytes, resumedFrom: done });
  if ((await ledger.info<boolean>('read')) === true) return;
  const started = readBatches(plan, input, done);
  await pump(started, pool, writer, deps, () =>
    deps.onEvent({ kind: 'progress', step: 'read', done: writer.seen, total: plan.rows }),
  );
}

/** A later pass: the rows of the store again, into a new store. */
export async function repeatRowPass(
  pass: number,
  steps: readonly RecipeStep[],
  before: RowStore,
  pool: CleanPool,
  ledger: CleanLedger,
  deps: CleanDeps,
): Promise<RowStore> {
  const rows = new RowStore();
  const writer = new PassWriter(pass, passLayout(steps), ledger, rows);
  await writer.restart(steps);
  await pump(storedBatches(before), pool, writer, deps, () =>
    deps.onEvent({ kind: 'progress', step: steps[0]!.step.name, done: rows.count, total: before.count }),
  );
  return rows;
}

async function pump(
  batches: AsyncIterable<Batch>,
  pool: CleanPool,
  writer: PassWriter,
  deps: CleanDeps,
  onBatch: () => void,
): Promise<void> {
  const waiting: { batch: Batch; result: Promise<BatchResult> }[] = [];
  const applyFirst = async () => {
    const { batch, result } = waiting.shift()!;
    await writer.add(batch, await result);
    onBatch();
  };
  try {
    for await (const batch of batches) {
      if (deps.signal.aborted) throw stopped();
      waiting.push({ batch, result: pool.run(batch.json) });
      if (waiting.length >= pool.width) await applyFirst();
    }
    while (waiting.length > 0) await applyFirst();
    await writer.end();
  } finally {
    // Batches still under way must not reject out of anyone's reach, and the ledger must not be closed under a commit.
    for (const { result } of waiting) result.catch(() => {});
    await writer.settled();
  }
}

export function stopped(): FactoryError {
  return new FactoryError({
    code: 'DATA_INTERRUPTED',
    message: 'the cleaning run was stopped',
    remedy: 'Give the same command again to go on.',
  });
}

async function* readBatches(plan: InputPlan, input: RecipeInput, skip: number): AsyncGenerator<Batch> {
  let batch = emptyBatch();
  let chars = 0;
  let seen = 0;
  for (const [file, { sha256 }] of plan.files.entries()) {
    const format = plan.formats[file];
    if (format === undefined || format === null) continue;
    for await (const row of readInput(plan.sources[file]!, format, input)) {
      if (seen++ < skip) continue;
      if (row.clean === null) {
        batch.unreadable.push({ file, row: row.row, reason: row.reason, detail: row.detail, raw: row.raw });
      } else {
        const json = rowToJson(row.clean);
        batch.json.push(json);
        batch.ids.push(shortHash(`${sha256}\n${row.row}\n${json}`));
        batch.file.push(file);
        batch.line.push(row.row);
        chars += json.length;
      }
      if (batch.json.length + batch.unreadable.length >= BATCH_ROWS || chars >= BATCH_CHARS) {
        yield batch;
        batch = emptyBatch();
        chars = 0;
      }
    }
  }
  yield batch;
}

async function* storedBatches(rows: RowStore): AsyncGenerator<Batch> {
  for (let start = 0; start < rows.count; start += BATCH_ROWS) {
    const batch = emptyBatch();
    for (let n = start; n < Math.min(rows.count, start + BATCH_ROWS); n++) {
      batch.json.push(rows.json(n));
      batch.ids.push(rows.id(n));
    }
    yield batch;
  }
}

/** Gathers batches and commits them together. */
class PassWriter {
  /** Rows of files that were seen, unreadable ones included. */
  seen = 0;
  readonly #pass: number;
  readonly #layout: PassLayout;
  readonly #ledger: CleanLedger;
  readonly #rows: RowStore;
  #batch = emptyBatch();
  #after: (string | null)[] = [];
  #scores: number[][];
  #labels: string[][];
  #edits: RowEdit[] = [];
  #committing: Promise<void> = Promise.resolve();

  constructor(pass: number, layout: PassLayout, ledger: CleanLedger, rows: RowStore) {
    this.#pass = pass;
    this.#layout = layout;
    this.#ledger = ledger;
    this.#rows = rows;
    this.#scores = layout.scores.map(() => []);
    this.#labels = layout.labels.map(() => []);
  }

  /** Makes the table of the pass, or takes up what a stopped run committed; resolves to the rows seen so far. */
  async begin(): Promise<number> {
    const seen = (await this.#ledger.info<number>('seen')) ?? 0;
    if (seen === 0) {
      await this.#create();
      return 0;
    }
    const sql = `select id, coalesce(after, original) from rows join pass_${this.#pass} using (n) order by n`;
    for await (const [ids, texts] of this.#ledger.columns(sql)) {
      for (let i = 0; i < ids!.length; i++) this.#rows.append(texts![i] as string, ids![i] as string);
    }
    this.seen = seen;
    return seen;
  }

  async restart(steps: readonly RecipeStep[]): Promise<void> {
    await this.#create();
    for (const { step } of steps) await this.#ledger.query('delete from edits where step = $1', [step.name]);
  }

  #create(): Promise<void> {
    const named = (columns: PassLayout['scores']) => columns.map(({ step, name }) => `${step}.${name}`);
    return this.#ledger.createPass(this.#pass, named(this.#layout.scores), named(this.#layout.labels));
  }

  async add(batch: Batch, { after, scores, labels, edits }: BatchResult): Promise<void> {
    const start = this.#batch.json.length;
    for (const key of ['json', 'ids'] as const) this.#batch[key].push(...batch[key]);
    for (const key of ['file', 'line'] as const) this.#batch[key].push(...batch[key]);
    this.#batch.unreadable.push(...batch.unreadable);
    this.seen += batch.json.length + batch.unreadable.length;
    for (const [index, json] of batch.json.entries())
      this.#rows.append(after[index] ?? json, batch.ids[index]!);
    this.#after.push(...after);
    const [scoreCount, labelCount] = [this.#layout.scores.length, this.#layout.labels.length];
    for (let row = 0; row < batch.json.length; row++) {
      for (let k = 0; k < scoreCount; k++) this.#scores[k]!.push(scores[row * scoreCount + k]!);
      for (let k = 0; k < labelCount; k++) this.#labels[k]!.push(labels[row * labelCount + k]!);
    }
    for (const edit of edits) this.#edits.push({ ...edit, row: edit.row + start });
    if (this.#batch.json.length + this.#batch.unreadable.length < COMMIT_ROWS) return;
    // The next rows are read and measured while these are written.
    await this.#committing;
    this.#committing = this.#commit();
    // A failure is met by the next wait for it, which may be a while from now.
    this.#committing.catch(() => {});
  }

  async end(): Promise<void> {
    await this.#committing;
    await this.#ledger.transaction(async () => {
      await this.#commit();
      if (this.#pass === 0) await this.#ledger.setInfo('read', true);
    });
  }

  /** Resolves when no commit is under way, however it ended. */
  async settled(): Promise<void> {
    await this.#committing.catch(() => {});
  }

  /** Takes what was gathered; what is added while it is written belongs to the next commit. */
  async #commit(): Promise<void> {
    const { json, ids, file, line, unreadable } = this.#batch;
    const [after, scores, labels, edits] = [this.#after, this.#scores, this.#labels, this.#edits];
    const first = this.#rows.count - json.length;
    const seen = this.seen;
    this.#batch = emptyBatch();
    this.#after = [];
    this.#edits = [];
    this.#scores = this.#layout.scores.map(() => []);
    this.#labels = this.#layout.labels.map(() => []);
    const numbers = json.map((_, index) => first + index);
    await this.#ledger.transaction(async () => {
      if (this.#pass === 0) {
        await this.#ledger.append('rows', [
          { type: 'integer', values: numbers },
          { type: 'text', values: ids },
          { type: 'integer', values: file },
          { type: 'integer', values: line },
          { type: 'text', values: json },
        ]);
        await this.#ledger.addUnreadable(unreadable);
        await this.#ledger.setInfo('seen', seen);
      }
      await this.#ledger.append(`pass_${this.#pass}`, [
        { type: 'integer', values: numbers },
        { type: 'text', values: after },
        ...scores.map((values): Column => ({ type: 'double', values })),
        ...labels.map((values): Column => ({ type: 'text', values })),
      ]);
      await this.#ledger.append('edits', [
        { type: 'integer', values: edits.map(({ row }) => first + row) },
        { type: 'text', values: edits.map(({ step }) => step) },
        { type: 'text', values: edits.map(({ reason }) => reason) },
        { type: 'integer', values: edits.map(({ count }) => count) },
        { type: 'text', values: edits.map(({ detail }) => detail) },
        { type: 'text', values: edits.map(({ before }) => before) },
        { type: 'text', values: edits.map(({ after: now }) => now) },
      ]);
    });
  }
}
