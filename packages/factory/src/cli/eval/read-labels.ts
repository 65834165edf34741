// In: a JSONL file of labels by people: {"id": …, "label": …} a line. Out: row id → label, checked against the rubric.
import { readFile } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import type { Rubric } from '#factory/records/judgement.ts';
import { readError } from '#factory/store/read-error.ts';

export async function readLabels(path: string, rubric: Rubric): Promise<Map<string, string | number>> {
  const labels = new Map<string, string | number>();
  const [low, high] = rubric.scale;
  const wanted = rubric.kind === 'score' ? `a number from ${low} to ${high}` : 'base, candidate or tie';
  const fits = (label: unknown): label is string | number =>
    rubric.kind === 'score'
      ? typeof label === 'number' && label >= low && label <= high
      : ['base', 'candidate', 'tie'].includes(label as string);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw readError(error, path, 'EVAL_BAD_LABELS');
  }
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const value = parsed(line);
    if (value?.id === undefined || !fits(value.label))
      throw new FactoryError({
        code: 'EVAL_BAD_LABELS',
        message: `${path}, line ${i + 1}: expected id and a label that is ${wanted}, found ${line.slice(0, 80)}`,
        remedy: 'Write one JSON object with id and label per line.',
      });
    labels.set(String(value.id), value.label);
  }
  return labels;
}

function parsed(line: string): { id?: unknown; label?: unknown } | null {
  try {
    return JSON.parse(line) as { id?: unknown; label?: unknown } | null;
  } catch {
    return null;
  }
}
