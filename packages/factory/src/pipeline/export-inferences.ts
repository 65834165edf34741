// In: inferences with their texts. Out: a file of rows as the trainer reads them: the conversation and one answer each. What
// would teach to stop half-way, or holds no answer, is left out and counted.
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { StoredInference } from '#factory/records/inference.ts';
import { diskError } from '#factory/store/disk-error.ts';

export interface ExportedInferences {
  rows: number;
  /** Counts by reason. */
  leftOut: Record<string, number>;
}

export async function exportInferences(
  inferences: AsyncIterable<StoredInference>,
  path: string,
  takesCut: boolean,
): Promise<ExportedInferences> {
  const result: ExportedInferences = { rows: 0, leftOut: {} };
  const file = resolve(path);
  const temporary = `${file}.partial`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await pipeline(lines(), createWriteStream(temporary));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error, 'write the rows', file);
  }
  return result;

  async function* lines(): AsyncGenerator<string> {
    for await (const inference of inferences) {
      const reason = reasonAgainst(inference, takesCut);
      if (reason !== null) {
        result.leftOut[reason] = (result.leftOut[reason] ?? 0) + 1;
        continue;
      }
      const { messages, tools, answers } = inference.texts as NonNullable<StoredInference['texts']>;
      for (const answer of answers) {
        result.rows++;
        const row = { messages: [...messages, answer], ...(tools.length > 0 ? { tools } : {}) };
        yield `${JSON.stringify(row)}\n`;
      }
    }
  }
}

function reasonAgainst({ kind, texts, finish }: StoredInference, takesCut: boolean): string | null {
  if (kind !== 'chat') return 'no conversation';
  if (texts === null) return 'the texts were not kept (serve with --log full)';
  if (texts.answers.length === 0) return 'no answer';
  if (finish === 'length' && !takesCut) return 'the answer was cut (--cut true takes them)';
  return finish === 'content_filter' ? 'the answer was withheld' : null;
}
