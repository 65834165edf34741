// In: one file of a hub repository, with its size and hash. Out: that file in the cache, whole and verified.
// An interrupted download is continued by a range request, also by a later process. It knows no repository layout.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FactoryError } from '#factory/errors.ts';
import { diskError } from '#factory/store/disk-error.ts';

export interface HubFile {
  path: string;
  sizeBytes: number;
  /** Hex: SHA-256 of the content for LFS files, else git's SHA-1 blob id. Also the name in the cache. */
  hash: string;
  isLfs: boolean;
  url: string;
}

export interface HubTransport {
  fetch: typeof fetch;
  token: string | null;
  signal: AbortSignal | undefined;
  retryDelayMs: number;
  onBytes(file: HubFile, doneBytes: number): void;
}

/** Tries that may fail in a row without one new byte. */
const MAX_TRIES = 4;

/** Makes sure that `blob` holds the file. Partial content waits in `<blob>.incomplete`. */
export async function downloadFile(file: HubFile, blob: string, transport: HubTransport): Promise<void> {
  if ((await sizeOf(blob)) === file.sizeBytes) return transport.onBytes(file, file.sizeBytes);
  const partial = `${blob}.incomplete`;
  for (let round = 0; ; round++) {
    await fetchRest(file, partial, transport);
    const found = await hashOf(file, partial);
    if (found === file.hash) break;
    await rm(partial, { force: true });
    // The part from an earlier run may have been damaged: once more from the start, then give up.
    if (round === 1) throw checksumError(file, found);
  }
  try {
    await rename(partial, blob);
  } catch (error) {
    throw diskError(error, 'write', blob);
  }
}

async function fetchRest(file: HubFile, partial: string, transport: HubTransport): Promise<void> {
  for (let failures = 0; ; ) {
    const before = (await sizeOf(partial)) ?? 0;
    if (before === file.sizeBytes && before > 0) return;
    const problem = await fetchOnce(file, partial, before > file.sizeBytes ? 0 : before, transport);
    if (problem === null) return;
    if (transport.signal?.aborted) throw interrupted(file, problem);
    failures = ((await sizeOf(partial)) ?? 0) > before ? 1 : failures + 1;
    if (failures >= MAX_TRIES) throw downloadError(problem, `${file.path} from ${file.url}`);
    const delay = transport.retryDelayMs * 2 ** (failures - 1);
    await sleep(delay, undefined, { signal: transport.signal }).catch(() => undefined);
  }
}

/**
 * One request from byte `offset` on, written to `partial` as it comes. Returns what went wrong if trying again may help,
 * and throws if it cannot.
 */
async function fetchOnce(
  file: HubFile,
  partial: string,
  offset: number,
  transport: HubTransport,
): Promise<Error | null> {
  const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
  if (offset > 0) headers.Range = `bytes=${offset}-`;
  if (transport.token) headers.Authorization = `Bearer ${transport.token}`;
  let response: Response;
  try {
    response = await transport.fetch(file.url, { headers, signal: transport.signal });
  } catch (error) {
    return asError(error);
  }
  if (!response.ok || !response.body) {
    const text = (await response.text().catch(() => '')).slice(0, 200).replace(/\s+/g, ' ');
    if (response.status === 416) await rm(partial, { force: true });
    const isTransient = response.status === 416 || isServerTrouble(response.status);
    if (isTransient) return new Error(`HTTP ${response.status} ${text}`);
    throw hubStatusError(response.status, `${file.path} from ${file.url}`, text);
  }
  // A server that ignores the range sends the whole file again.
  const isContinued =
    response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${offset}-`) === true;
  return append(file, partial, isContinued ? offset : 0, response.body, transport);
}

async function append(
  file: HubFile,
  partial: string,
  offset: number,
  body: AsyncIterable<Uint8Array>,
  transport: HubTransport,
): Promise<Error | null> {
  let handle: FileHandle;
  try {
    handle = await open(partial, offset > 0 ? 'a' : 'w');
  } catch (error) {
    throw diskError(error, 'write', partial);
  }
  let at = offset;
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks.next().catch(asError);
      if (next instanceof Error) return next;
      if (next.done) break;
      if (at + next.value.byteLength > file.sizeBytes) {
        await handle.truncate(0);
        await chunks.return?.();
        return new Error(`more than the ${file.sizeBytes} bytes that the hub announced`);
      }
      await handle.appendFile(next.value);
      at += next.value.byteLength;
      transport.onBytes(file, at);
    }
    await handle.sync();
  } catch (error) {
    throw diskError(error, 'write', partial);
  } finally {
    await handle.close();
  }
  return at === file.sizeBytes
    ? null
    : new Error(`the connection ended after ${at} of ${file.sizeBytes} bytes`);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

async function hashOf(file: HubFile, path: string): Promise<string> {
  const hash: Hash = createHash(file.isLfs ? 'sha256' : 'sha1');
  if (!file.isLfs) hash.update(`blob ${file.sizeBytes}\0`);
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  } catch (error) {
    throw diskError(error, 'read', path);
  }
  return hash.digest('hex');
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch {
    return null;
  }
}

function isServerTrouble(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

export function hubStatusError(status: number, what: string, text: string): FactoryError {
  if (status === 401 || status === 403) {
    return new FactoryError({
      code: 'MODEL_DOWNLOAD',
      message: `${what}: expected access, found HTTP ${status} (${text || 'not allowed'})`,
      remedy:
        "Accept the model's terms on its page if it has any, and set hf_hub_token to a token that may read it.",
      details: { status },
    });
  }
  if (status === 404) {
    return new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `${what}: expected a model of that name and revision, found HTTP 404 (${text || 'not found'})`,
      remedy:
        'Check model_name_or_path and model_revision for typing errors; a private model needs hf_hub_token.',
      details: { status },
    });
  }
  return downloadError(new Error(`HTTP ${status} ${text}`), what);
}

export function downloadError(error: unknown, what: string): FactoryError {
  if (error instanceof FactoryError) return error;
  const cause = (error as { cause?: unknown } | null)?.cause;
  const found = [error, cause]
    .map((e) => (e instanceof Error ? e.message : ''))
    .filter(Boolean)
    .join(': ');
  return new FactoryError({
    code: 'MODEL_DOWNLOAD',
    message: `${what}: expected an answer from the hub, found ${found.slice(0, 300) || String(error)}`,
    remedy:
      'Check the network or proxy and run the same command again: it continues where it stopped. Or set model_name_or_path to a local folder.',
    cause: error,
  });
}

function interrupted(file: HubFile, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'MODEL_DOWNLOAD',
    message: `${file.path}: the download was interrupted`,
    remedy: 'Run the same command again: it continues where it stopped.',
    cause,
  });
}

function checksumError(file: HubFile, found: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_CHECKSUM',
    message: `${file.path} from ${file.url}: expected ${file.sizeBytes} bytes with ${file.isLfs ? 'SHA-256' : 'git id'} ${file.hash}, found ${found}`,
    remedy:
      'Run the same command again; if it fails once more, a proxy or mirror alters the file, so use another one.',
    details: { path: file.path },
  });
}
