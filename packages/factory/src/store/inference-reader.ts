// In: the file of the inference log and what is wanted of it. Out: its inferences, a page at a time, while servers go on
// writing. It changes nothing.
import { existsSync } from 'node:fs';
import type { SelectQueryBuilder } from 'kysely';
import { FactoryError } from '#factory/errors.ts';
import type { InferenceFacts, InferenceTexts, StoredInference } from '#factory/records/inference.ts';
import { INFERENCE_MIGRATIONS, type InferenceRow, type InferenceTables } from './inference-table.ts';
import { databaseError, openDatabase } from './sqlite.ts';

export interface InferenceFilter {
  /** Milliseconds since 1970: from, and before. */
  sinceMs: number | null;
  untilMs: number | null;
  model: string | null;
  variant: string | null;
  keyId: string | null;
  finish: string | null;
  /** Only those with an error, or only those without. */
  failed: boolean | null;
  withTexts: boolean;
}

export interface InferenceReader {
  /** Newest first. */
  newest(filter: InferenceFilter, limit: number): Promise<StoredInference[]>;
  /** By number, or the answers to a request by its id. */
  find(idOrRequest: string): Promise<StoredInference[]>;
  /** Oldest first. */
  each(filter: InferenceFilter): AsyncGenerator<StoredInference>;
  close(): Promise<void>;
}

const PAGE = 500;
const BUSY_MS = 5000;

export function openInferenceReader(path: string): InferenceReader {
  if (!existsSync(path))
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: expected a log of inferences, found no such file`,
      remedy: 'Give the file that "tunesmith serve" names when it starts, with --log_file.',
    });
  const { db, close } = openDatabase<InferenceTables>(path, INFERENCE_MIGRATIONS, {
    busyMs: BUSY_MS,
    readOnly: true,
  });
  type Query = SelectQueryBuilder<InferenceTables, 'inferences', InferenceRow>;
  const all = (): Query => db.selectFrom('inferences').selectAll('inferences');

  function matching({ sinceMs, untilMs, model, variant, keyId, finish, failed, withTexts }: InferenceFilter) {
    let query = all();
    if (sinceMs !== null) query = query.where('time_ms', '>=', sinceMs);
    if (untilMs !== null) query = query.where('time_ms', '<', untilMs);
    if (model !== null) query = query.where('model', '=', model);
    if (variant !== null) query = query.where('variant', '=', variant);
    if (keyId !== null) query = query.where('key_id', '=', keyId);
    if (finish !== null) query = query.where('finish', '=', finish);
    if (failed !== null) query = query.where('error_code', failed ? 'is not' : 'is', null);
    if (withTexts) query = query.where('id', 'in', db.selectFrom('inference_texts').select('inference_id'));
    return query;
  }

  async function run(query: Query): Promise<StoredInference[]> {
    try {
      const rows = await query.execute();
      const ids = rows.map(({ id }) => id);
      const texts = ids.length
        ? await db.selectFrom('inference_texts').selectAll().where('inference_id', 'in', ids).execute()
        : [];
      const byId = new Map(texts.map(({ inference_id, ...own }) => [inference_id, textsOf(own)]));
      return rows.map((row) => toInference(row, byId.get(row.id) ?? null));
    } catch (error) {
      throw databaseError(error, 'read', path);
    }
  }

  return {
    newest: (filter, limit) => run(matching(filter).orderBy('id', 'desc').limit(limit)),
    find(wanted) {
      const id = /^\d+$/.test(wanted) ? Number(wanted) : -1;
      return run(
        all()
          .where((at) => at.or([at('id', '=', id), at('request_id', '=', wanted)]))
          .orderBy('id'),
      );
    },
    async *each(filter) {
      for (let after = 0; ; ) {
        const page = await run(matching(filter).where('id', '>', after).orderBy('id').limit(PAGE));
        yield* page;
        if (page.length < PAGE) return;
        after = page.at(-1)?.id as number;
      }
    },
    close,
  };
}

function textsOf(row: { messages: string; tools: string; answers: string }): InferenceTexts {
  const list = (text: string) => JSON.parse(text) as unknown[];
  return { messages: list(row.messages), tools: list(row.tools), answers: list(row.answers) };
}

function toInference(row: InferenceRow, texts: InferenceTexts | null): StoredInference {
  const facts: InferenceFacts = {
    timeMs: row.time_ms,
    requestId: row.request_id,
    keyId: row.key_id,
    kind: row.kind as InferenceFacts['kind'],
    model: row.model,
    variant: row.variant,
    fingerprint: row.fingerprint,
    stream: row.stream === 1,
    choices: row.choices,
    promptTokens: row.prompt_tokens,
    cachedTokens: row.cached_tokens,
    completionTokens: row.completion_tokens,
    reasoningTokens: row.reasoning_tokens,
    queueMs: row.queue_ms,
    firstTokenMs: row.first_token_ms,
    totalMs: row.total_ms,
    finish: row.finish,
    status: row.status,
    errorCode: row.error_code,
  };
  const { id, session_hash: sessionHash, user_hash: userHash, redacted } = row;
  return { id, ...facts, sessionHash, userHash, texts, redacted };
}
