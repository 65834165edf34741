// In: the records of an evaluation. Out: their files in its folder, and back. evaluation.json, scorecard.json and
// failures.jsonl are whole or not there; predictions.jsonl grows row by row, and a line torn by a kill is cut off.
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import {
  EVALUATION_FORMAT,
  type EvaluationRecord,
  evaluationSchema,
  predictionSchema,
  type RowFailure,
  type Scorecard,
  type StoredPrediction,
} from '#factory/records/evaluation.ts';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { readJsonObject } from './read-json.ts';

export const EVALUATION_FILE = 'evaluation.json';
const PREDICTIONS_FILE = 'predictions.jsonl';
const SCORECARD_FILE = 'scorecard.json';
const FAILURES_FILE = 'failures.jsonl';

const REMEDY = 'Name a folder that "tunesmith eval" wrote, or run the evaluation again into a new folder.';
const bad = { code: 'EVAL_BAD_FOLDER', remedy: REMEDY } as const;

export async function writeEvaluation(dir: string, record: EvaluationRecord): Promise<void> {
  await writeAtomic(join(dir, EVALUATION_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/** Null where the folder holds no evaluation. */
export async function findEvaluation(dir: string): Promise<EvaluationRecord | null> {
  const path = join(dir, EVALUATION_FILE);
  const value = await readJsonObject(path, bad);
  if (value === null) return null;
  const read = evaluationSchema.safeParse(value);
  if (read.success) return read.data;
  throw new FactoryError({ ...bad, message: `${path}: ${z.prettifyError(read.error)}` });
}

export async function readEvaluation(dir: string): Promise<EvaluationRecord> {
  const record = await findEvaluation(dir);
  if (record) return record;
  throw new FactoryError({ ...bad, message: `${dir}: expected ${EVALUATION_FILE}, found no such file` });
}

/** Whole rows only: a last line without its end is what a killed process left, and is not read. */
export async function readPredictions(dir: string): Promise<StoredPrediction[]> {
  return (await predictionsOf(dir)).rows;
}

async function predictionsOf(dir: string): Promise<{ rows: StoredPrediction[]; bytes: number }> {
  const path = join(dir, PREDICTIONS_FILE);
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { rows: [], bytes: 0 };
    throw diskError(error, 'read', path);
  }
  const bytes = content.lastIndexOf(0x0a) + 1;
  const lines = content.subarray(0, bytes).toString('utf8').split('\n').slice(0, -1);
  return { rows: lines.map((line, i) => readLine(line, `${path}, line ${i + 1}`)), bytes };
}

function readLine(line: string, where: string): StoredPrediction {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new FactoryError({ ...bad, message: `${where}: expected JSON, found ${line.slice(0, 80)}`, cause });
  }
  const read = predictionSchema.safeParse(value);
  if (!read.success) throw new FactoryError({ ...bad, message: `${where}: ${z.prettifyError(read.error)}` });
  return value as StoredPrediction;
}

export interface PredictionFile {
  /** What earlier runs have answered. */
  rows: StoredPrediction[];
  /** Adds rows and syncs them: what is told as done is on the disk. */
  append(rows: readonly StoredPrediction[]): void;
  close(): void;
}

/** Opens predictions.jsonl to go on with it. A torn last line is cut off first, and so is what is not to be kept. */
export async function openPredictions(
  dir: string,
  isKept: (row: StoredPrediction) => boolean,
): Promise<PredictionFile> {
  const found = await predictionsOf(dir);
  if (!found.rows.every(isKept)) await replacePredictions(dir, found.rows.filter(isKept));
  const { rows, bytes } = found.rows.every(isKept) ? found : await predictionsOf(dir);
  const path = join(dir, PREDICTIONS_FILE);
  let file: number;
  let at = bytes;
  try {
    mkdirSync(dir, { recursive: true });
    file = openSync(path, bytes === 0 ? 'w' : 'r+');
    ftruncateSync(file, bytes);
  } catch (error) {
    throw diskError(error, 'open', path);
  }
  return {
    rows,
    append(more) {
      const content = Buffer.from(more.map((row) => `${JSON.stringify(row)}\n`).join(''), 'utf8');
      try {
        for (let done = 0; done < content.length; )
          done += writeSync(file, content, done, content.length - done, at + done);
        at += content.length;
        fsyncSync(file);
      } catch (error) {
        throw diskError(error, 'append to', path);
      }
    },
    close() {
      closeSync(file);
    },
  };
}

/** All rows, in this order. */
export async function replacePredictions(dir: string, rows: readonly StoredPrediction[]): Promise<void> {
  function* lines() {
    for (const row of rows) yield Buffer.from(`${JSON.stringify(row)}\n`, 'utf8');
  }
  await writeAtomic(join(dir, PREDICTIONS_FILE), lines());
}

/** Deletes the evaluation of a folder, its record last. */
export async function discardEvaluation(dir: string): Promise<void> {
  for (const name of [SCORECARD_FILE, FAILURES_FILE, PREDICTIONS_FILE, EVALUATION_FILE]) {
    const path = join(dir, name);
    await rm(path, { force: true }).catch((error) => {
      throw diskError(error, 'delete', path);
    });
  }
}

export async function writeScorecard(
  dir: string,
  scorecard: Scorecard,
  failures: readonly RowFailure[],
): Promise<void> {
  await writeAtomic(
    join(dir, FAILURES_FILE),
    failures.map((failure) => `${JSON.stringify(failure)}\n`).join(''),
  );
  await writeAtomic(join(dir, SCORECARD_FILE), `${JSON.stringify(scorecard)}\n`);
}

const scorecardSchema = z.looseObject({
  format: z.literal(EVALUATION_FORMAT),
  rows: z.number(),
  metrics: z.array(z.looseObject({ values: z.array(z.looseObject({ name: z.string(), n: z.number() })) })),
  slices: z.array(z.looseObject({ slice: z.string(), value: z.string() })),
});

export async function readScorecard(dir: string): Promise<Scorecard> {
  const path = join(dir, SCORECARD_FILE);
  const value = await readJsonObject(path, bad);
  if (value === null)
    throw new FactoryError({
      code: 'EVAL_BAD_FOLDER',
      message: `${dir}: expected ${SCORECARD_FILE}, found no such file: the evaluation is not finished`,
      remedy: 'Run the same "tunesmith eval" command again: it goes on where it stopped.',
    });
  const read = scorecardSchema.safeParse(value);
  if (!read.success) throw new FactoryError({ ...bad, message: `${path}: ${z.prettifyError(read.error)}` });
  return value as unknown as Scorecard;
}

export async function readFailures(dir: string): Promise<RowFailure[]> {
  const path = join(dir, FAILURES_FILE);
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as RowFailure);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    if (error instanceof SyntaxError)
      throw new FactoryError({ ...bad, message: `${path}: ${error.message}`, cause: error });
    throw diskError(error, 'read', path);
  }
}
