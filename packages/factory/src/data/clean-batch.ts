// In: the row steps of one pass, and rows as canonical JSON. Out: the rows that changed, and every score, label and edit.
// This is what worker threads run; it keeps nothing between batches.
import { hash } from 'node:crypto';
import { invariant } from '#factory/errors.ts';
import { rowFromJson, rowToJson } from '#factory/records/clean-row.ts';
import type { RecipeStep } from './clean-recipe.ts';
import type { RowFindings } from './clean-step.ts';

/** Columns that a pass adds to every row, in this order. */
export interface PassLayout {
  scores: { step: string; name: string }[];
  labels: { step: string; name: string }[];
}

export interface RowEdit {
  /** Number of the row within the batch. */
  row: number;
  step: string;
  reason: string;
  count: number;
  detail: string;
  /** Short hashes of the row before and after the step. */
  before: string;
  after: string;
}

export interface BatchResult {
  /** Canonical JSON of rows that changed, null for the others. */
  after: (string | null)[];
  /** Row by row, in the order of the layout; NaN where nothing was measured. */
  scores: Float64Array;
  labels: string[];
  edits: RowEdit[];
}

export function passLayout(steps: readonly RecipeStep[]): PassLayout {
  return {
    scores: steps.flatMap(({ step }) => Object.keys(step.scores).map((name) => ({ step: step.name, name }))),
    labels: steps.flatMap(({ step }) =>
      Object.keys(step.labels ?? {}).map((name) => ({ step: step.name, name })),
    ),
  };
}

/** 16 hex digits of SHA-256: an identity within a project, not a proof. */
export function shortHash(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 16);
}

export function batchRunner(steps: readonly RecipeStep[]): (rows: readonly string[]) => BatchResult {
  const layout = passLayout(steps);
  const columnOf = (columns: PassLayout['scores'], step: string) =>
    new Map(columns.flatMap((one, index) => (one.step === step ? [[one.name, index] as const] : [])));
  const prepared = steps.map(({ step, options }) => {
    invariant(step.kind === 'row', `${step.name} is no row step`);
    return {
      name: step.name,
      apply: step.create(options),
      reasons: step.reasons,
      scores: columnOf(layout.scores, step.name),
      labels: columnOf(layout.labels, step.name),
    };
  });

  return (rows) => {
    const after: (string | null)[] = [];
    const scores = new Float64Array(rows.length * layout.scores.length).fill(Number.NaN);
    const labels: string[] = new Array(rows.length * layout.labels.length).fill('');
    const edits: RowEdit[] = [];
    for (const [index, json] of rows.entries()) {
      let row = rowFromJson(json);
      let text = json;
      for (const step of prepared) {
        const own: Pick<RowEdit, 'reason' | 'count' | 'detail'>[] = [];
        const found: RowFindings = {
          score(name, value) {
            const column = step.scores.get(name);
            invariant(column !== undefined, `step ${step.name} declares no score ${name}`);
            scores[index * layout.scores.length + column] = value;
          },
          label(name, value) {
            const column = step.labels.get(name);
            invariant(column !== undefined, `step ${step.name} declares no label ${name}`);
            labels[index * layout.labels.length + column] = value;
          },
          edited(reason, count, detail = '') {
            invariant(
              step.reasons[reason]?.verdict === 'edit',
              `step ${step.name} declares no edit ${reason}`,
            );
            own.push({ reason, count, detail });
          },
        };
        const next = step.apply(row, found);
        const changed = next === row ? text : rowToJson(next);
        // Every change has a reason, and every reason a change: what a step says must be what it did.
        invariant(
          own.length > 0 === (changed !== text),
          `step ${step.name} edits without saying so, or says so without`,
        );
        if (changed !== text) {
          const [before, now] = [shortHash(text), shortHash(changed)];
          for (const edit of own) edits.push({ row: index, step: step.name, ...edit, before, after: now });
          text = changed;
        }
        row = next;
      }
      after.push(text === json ? null : text);
    }
    return { after, scores, labels, edits };
  };
}
