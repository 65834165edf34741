// In: inferences that have ended. Out: their rows in an SQLite file, in whole batches, and old ones taken out. It runs in the
// thread of inference-log.ts's worker; readers are in inference-reader.ts.
import { createHmac, randomBytes } from 'node:crypto';
import type { Generated, Insertable, Selectable } from 'kysely';
import type { InferenceEntry, InferenceTexts } from '#factory/records/inference.ts';
import { type Migration, type OpenDatabase, openDatabase } from './sqlite.ts';

export interface InferenceTables {
  inferences: {
    id: Generated<number>;
    time_ms: number;
    request_id: string;
    key_id: string | null;
    kind: string;
    model: string;
    variant: string | null;
    fingerprint: string | null;
    stream: number;
    choices: number;
    prompt_tokens: number | null;
    cached_tokens: number | null;
    completion_tokens: number | null;
    reasoning_tokens: number | null;
    queue_ms: number | null;
    first_token_ms: number | null;
    total_ms: number;
    finish: string | null;
    status: number;
    error_code: string | null;
    session_hash: string | null;
    user_hash: string | null;
    redacted: number | null;
  };
  /** Apart, so that reading the facts does not read the texts. */
  inference_texts: { inference_id: number; messages: string; tools: string; answers: string };
  facts: { key: string; value: string };
}

export type InferenceRow = Selectable<InferenceTables['inferences']>;

export const INFERENCE_MIGRATIONS: readonly Migration[] = [
  [
    `create table inferences (
      id integer primary key autoincrement, time_ms integer not null, request_id text not null, key_id text,
      kind text not null, model text not null, variant text, fingerprint text, stream integer not null,
      choices integer not null, prompt_tokens integer, cached_tokens integer, completion_tokens integer,
      reasoning_tokens integer, queue_ms real, first_token_ms real, total_ms real not null, finish text,
      status integer not null, error_code text, session_hash text, user_hash text, redacted integer
    )`,
    'create index inferences_time on inferences (time_ms)',
    'create index inferences_model on inferences (model, time_ms)',
    'create index inferences_request on inferences (request_id)',
    `create table inference_texts (
      inference_id integer primary key references inferences (id) on delete cascade,
      messages text not null, tools text not null, answers text not null
    )`,
    'create table facts (key text primary key, value text not null)',
  ],
];

/** Replaces personal data in a text, and says how many pieces it found. `key` makes replacements repeat. */
export type Redact = (text: string, key: string) => { text: string; found: number };

export interface InferenceWriter {
  /** All or nothing. */
  write(entries: readonly InferenceEntry[]): void;
  /** Takes out some of the rows from before; false when none is left. */
  prune(beforeMs: number): boolean;
  close(): Promise<void>;
}

const PRUNE_ROWS = 2000;

export function openInferenceWriter(path: string, busyMs: number, redact: Redact | null): InferenceWriter {
  const opened = openDatabase<InferenceTables>(path, INFERENCE_MIGRATIONS, { busyMs });
  const key = hashKey(opened);
  const hash = (name: string | null) =>
    name === null ? null : createHmac('sha256', key).update(name).digest('base64url').slice(0, 22);
  const { raw, db } = opened;
  const insertRow = raw.prepare(db.insertInto('inferences').values(columnsOf()).compile().sql);
  const insertTexts = raw.prepare(
    'insert into inference_texts (inference_id, messages, tools, answers) values (?, ?, ?, ?)',
  );

  function insert(entry: InferenceEntry): void {
    const clean = entry.texts && redact ? redacted(entry.texts, (text) => redact(text, key)) : null;
    const texts = clean?.texts ?? entry.texts;
    const row = rowOf(entry, hash, clean?.found ?? null);
    const { lastInsertRowid } = insertRow.run(...Object.values(row));
    if (texts)
      insertTexts.run(
        lastInsertRowid,
        JSON.stringify(texts.messages),
        JSON.stringify(texts.tools),
        JSON.stringify(texts.answers),
      );
  }

  return {
    write(entries) {
      raw.exec('begin immediate');
      try {
        for (const entry of entries) insert(entry);
        raw.exec('commit');
      } catch (error) {
        // A full disk has ended the transaction by itself.
        if (raw.isTransaction) raw.exec('rollback');
        throw error;
      }
    },
    prune(beforeMs) {
      const sql = `delete from inferences where id in
        (select id from inferences where time_ms < ? order by time_ms limit ${PRUNE_ROWS})`;
      return Number(raw.prepare(sql).run(beforeMs).changes) > 0;
    },
    close: () => opened.close(),
  };
}

type NewRow = Omit<Insertable<InferenceTables['inferences']>, 'id'>;

function rowOf(entry: InferenceEntry, hash: (name: string | null) => string | null, found: number | null) {
  const row: Required<NewRow> = {
    time_ms: entry.timeMs,
    request_id: entry.requestId,
    key_id: entry.keyId,
    kind: entry.kind,
    model: entry.model,
    variant: entry.variant,
    fingerprint: entry.fingerprint,
    stream: entry.stream ? 1 : 0,
    choices: entry.choices,
    prompt_tokens: entry.promptTokens,
    cached_tokens: entry.cachedTokens,
    completion_tokens: entry.completionTokens,
    reasoning_tokens: entry.reasoningTokens,
    queue_ms: entry.queueMs,
    first_token_ms: entry.firstTokenMs,
    total_ms: entry.totalMs,
    finish: entry.finish,
    status: entry.status,
    error_code: entry.errorCode,
    session_hash: hash(entry.session),
    user_hash: hash(entry.user),
    redacted: found,
  };
  return row;
}

/** Values do not matter: the statement is prepared once, and its columns are those of a row. */
function columnsOf(): NewRow {
  const empty: InferenceEntry = {
    ...{ timeMs: 0, requestId: '', keyId: null, kind: 'chat', model: '', variant: null, fingerprint: null },
    ...{
      stream: false,
      choices: 0,
      promptTokens: 0,
      cachedTokens: 0,
      completionTokens: 0,
      reasoningTokens: 0,
    },
    ...{ queueMs: 0, firstTokenMs: 0, totalMs: 0, finish: null, status: 0, errorCode: null },
    ...{ session: null, user: null, texts: null },
  };
  return rowOf(empty, () => null, null);
}

/** Names are hashed under a key of the file, so that lists of names cannot be tried without it. */
function hashKey({ raw }: OpenDatabase<InferenceTables>): string {
  raw
    .prepare("insert or ignore into facts (key, value) values ('hash_key', ?)")
    .run(randomBytes(32).toString('hex'));
  return String(raw.prepare("select value from facts where key = 'hash_key'").get()?.value);
}

function redacted(
  texts: InferenceTexts,
  redact: (text: string) => { text: string; found: number },
): { texts: InferenceTexts; found: number } {
  let found = 0;
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const result = redact(value);
      found += result.found;
      return result.text;
    }
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clean(inner)]));
    return value;
  };
  const { messages, tools, answers } = texts;
  return { texts: { messages: messages.map(clean), tools, answers: answers.map(clean) }, found };
}
