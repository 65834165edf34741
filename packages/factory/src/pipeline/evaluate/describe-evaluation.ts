// In: opened parts of an evaluation. Out: what identifies them: hashes of the model's, adapters' and data's files, the rows,
// the machine, the versions. Hashes are over contents; names and places of files do not count.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import { basename, join } from 'node:path';
import { runtimeVersion } from '@tunesmith/engine';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { EvaluationRecord } from '#factory/records/evaluation.ts';
import { readError } from '#factory/store/read-error.ts';

/** Files that a model's answers depend on. */
const MODEL_FILE =
  /\.(safetensors|gguf|jinja|model)$|^(config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|adapter_config|value_head)\.json$|^merges\.txt$/;

export interface HashedFiles {
  sha256: string;
  bytes: number;
}

/** Of a model file, or of the files in a model's or adapter's folder. */
export async function hashModel(path: string): Promise<HashedFiles> {
  try {
    if ((await stat(path)).isFile()) return await hashFiles([path]);
    const names = (await readdir(path)).filter((name) => MODEL_FILE.test(name)).sort();
    return await hashFiles(names.map((name) => join(path, name)));
  } catch (error) {
    throw readError(error, path, 'MODEL_BAD_FILE');
  }
}

async function hashFiles(paths: readonly string[]): Promise<HashedFiles> {
  const all = createHash('sha256');
  let bytes = 0;
  for (const path of paths) {
    const file = await hashFile(path);
    all.update(`${basename(path)}\n${file.sha256}\n`, 'utf8');
    bytes += file.bytes;
  }
  return { sha256: all.digest('hex'), bytes };
}

export async function hashFile(path: string): Promise<HashedFiles> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(piece as Buffer);
      bytes += (piece as Buffer).length;
    }
  } catch (error) {
    throw readError(error, path, 'DATA_BAD_FILE');
  }
  return { sha256: hash.digest('hex'), bytes };
}

export function hashText(parts: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\n`, 'utf8');
  return hash.digest('hex');
}

export async function describeData(
  files: readonly string[],
  questions: readonly EvalQuestion[],
  dropped: number,
  overlap: number | null,
): Promise<EvaluationRecord['data']> {
  const hashed: EvaluationRecord['data']['files'] = [];
  for (const path of files) hashed.push({ path, sha256: (await hashFile(path)).sha256 });
  return {
    files: hashed,
    rows: questions.length,
    rowIdsSha256: hashText(questions.map(({ id }) => id)),
    contentSha256: hashText(
      questions.map(({ id, messages, system, text, choices, references, label }) =>
        JSON.stringify([id, messages, system, text, choices, references, label]),
      ),
    ),
    overlap,
    dropped,
  };
}

export function describeMachine(): EvaluationRecord['machine'] {
  return {
    system: `${os.type()} ${os.release()} ${process.arch}`,
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    threads: os.availableParallelism(),
    memoryBytes: os.totalmem(),
  };
}

export async function describeVersions(): Promise<EvaluationRecord['versions']> {
  const own = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(await readFile(own, 'utf8')) as { version: string };
  return { Tunesmith: version, 'ONNX Runtime': runtimeVersion(), Node: process.versions.node };
}
