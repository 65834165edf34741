// In: a hub id and a revision. Out: a local folder with the files a model needs, from the cache or downloaded.
// The cache has the layout of Python's huggingface_hub (blobs, snapshots, refs), so both share downloads. Only config,
// tokenizer, template and safetensors files are fetched. It opens nothing that it fetched.
import { copyFile, mkdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { diskError, errnoOf } from '#factory/store/disk-error.ts';
import { acquireRunLock } from '#factory/store/run-lock.ts';
import { downloadError, downloadFile, type HubFile, type HubTransport, hubStatusError } from './hub-file.ts';

export interface HubOptions {
  /** Branch, tag or commit. */
  revision?: string;
  /** Hugging Face's `hub` cache folder. */
  cacheDir: string;
  token?: string | null;
  /** Use the cache only; ask nobody. */
  offline?: boolean;
  hubUrl?: string;
  fetch?: typeof fetch;
  signal?: AbortSignal;
  /** Waited before the second try, doubled before each further one. */
  retryDelayMs?: number;
  onProgress?(progress: DownloadProgress): void;
  onNote?(text: string): void;
}

export interface DownloadProgress {
  file: string;
  doneBytes: number;
  fileBytes: number;
  /** Over all files of the model. */
  totalDoneBytes: number;
  totalBytes: number;
}

const HUB_URL = 'https://huggingface.co';
const WEIGHTS = /^model(-\d{5}-of-\d{5})?\.safetensors$/;
const SMALL =
  /^((config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template|model\.safetensors\.index|adapter_config)\.json|adapter_model\.safetensors|merges\.txt|tokenizer\.model|[\w.-]+\.jinja)$/;

/** True for `name` and `owner/name` as the hub allows them. */
export function isHubId(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,95}(\/[A-Za-z0-9][\w.-]{0,95})?$/.test(text) && !/\.\.|--/.test(text);
}

export async function downloadModel(id: string, options: HubOptions): Promise<string> {
  const revision = options.revision ?? 'main';
  if (/\.\.|\\|^\//.test(revision) || revision === '') throw badRevision(revision);
  const folder = join(options.cacheDir, `models--${id.replace('/', '--')}`);
  const cached = await cachedSnapshot(folder, revision);
  if (options.offline) {
    if (cached) return cached;
    throw offlineError(id, revision, options.cacheDir);
  }
  // A commit never changes, so a whole snapshot of it needs no question.
  if (cached && isCommit(revision)) return cached;
  let listing: Listing;
  try {
    listing = await listModel(id, revision, options);
  } catch (error) {
    const known = error instanceof FactoryError ? error : downloadError(error, `${id}, revision ${revision}`);
    if (!cached || known.code !== 'MODEL_DOWNLOAD' || options.signal?.aborted) throw known;
    options.onNote?.(`the hub did not answer; using the cached copy of ${id} (${cached})`);
    return cached;
  }
  const snapshot = join(folder, 'snapshots', listing.commit);
  await fetchFiles(id, folder, snapshot, listing.files, options);
  if (!isCommit(revision)) await writeAtomic(join(folder, 'refs', revision), listing.commit);
  return snapshot;
}

interface Listing {
  commit: string;
  files: HubFile[];
}

async function listModel(id: string, revision: string, options: HubOptions): Promise<Listing> {
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  const hubUrl = options.hubUrl ?? HUB_URL;
  const request = options.fetch ?? fetch;
  // The token goes on here and not through the library, which takes tokens of huggingface.co only and no mirror's.
  const send: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    if (options.token) headers.set('Authorization', `Bearer ${options.token}`);
    return request(input, { ...init, headers, signal: options.signal });
  };
  const common = { hubUrl, fetch: send };
  try {
    const { sha: commit } = await modelInfo({ ...common, name: id, revision, additionalFields: ['sha'] });
    if (!isCommit(commit)) throw downloadError(new Error(`no commit in the answer`), id);
    const files: HubFile[] = [];
    let pickle = '';
    for await (const entry of listFiles({ ...common, repo: id, revision: commit })) {
      if (entry.type !== 'file') continue;
      if (/\.(bin|pt|pth)$/.test(entry.path)) pickle ||= entry.path;
      if (!WEIGHTS.test(entry.path) && !SMALL.test(entry.path)) continue;
      const hash = entry.lfs?.oid ?? entry.oid ?? '';
      if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hash) || !Number.isSafeInteger(entry.size)) {
        throw downloadError(new Error(`no hash or size for ${entry.path} in the answer`), id);
      }
      const url = `${hubUrl}/${id}/resolve/${commit}/${encodeURIComponent(entry.path)}`;
      files.push({ path: entry.path, sizeBytes: entry.size, hash, isLfs: entry.lfs !== undefined, url });
    }
    requireWeights(id, files, pickle);
    // Like transformers: one whole file wins over shards. Small files go first, so that a wrong model shows early.
    const isWhole = files.some((file) => file.path === 'model.safetensors');
    const needed = files.filter(
      (file) => !isWhole || !/^model-\d|^model\.safetensors\.index/.test(file.path),
    );
    return { commit, files: needed.sort((a, b) => a.sizeBytes - b.sizeBytes) };
  } catch (error) {
    const status = (error as { statusCode?: unknown } | null)?.statusCode;
    if (typeof status !== 'number') throw error;
    throw hubStatusError(status, `${id}, revision ${revision}`, error instanceof Error ? error.message : '');
  }
}

function requireWeights(id: string, files: readonly HubFile[], pickle: string): void {
  const hasWeights = files.some(
    (file) => WEIGHTS.test(file.path) || file.path === 'adapter_model.safetensors',
  );
  if (hasWeights) return;
  throw new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `${id}: expected weights as model.safetensors or its shards, found ${pickle ? `PyTorch pickle weights (${pickle}), which can run code when loaded` : 'none'}`,
    remedy:
      'Choose a model or revision that has safetensors, or convert it with save_pretrained(dir, safe_serialization=True).',
    details: { id },
  });
}

async function fetchFiles(
  id: string,
  folder: string,
  snapshot: string,
  files: readonly HubFile[],
  options: HubOptions,
): Promise<void> {
  const done = new Map<string, number>();
  const totalBytes = files.reduce((total, file) => total + file.sizeBytes, 0);
  const transport: HubTransport = {
    fetch: options.fetch ?? fetch,
    token: options.token ?? null,
    signal: options.signal,
    retryDelayMs: options.retryDelayMs ?? 1000,
    onBytes(file, doneBytes) {
      done.set(file.path, doneBytes);
      const totalDoneBytes = [...done.values()].reduce((total, bytes) => total + bytes, 0);
      options.onProgress?.({
        file: file.path,
        doneBytes,
        fileBytes: file.sizeBytes,
        totalDoneBytes,
        totalBytes,
      });
    },
  };
  const unlock = lock(id, folder);
  try {
    await mkdir(join(folder, 'blobs'), { recursive: true });
    for (const file of files) {
      const blob = join(folder, 'blobs', file.hash);
      await downloadFile(file, blob, transport);
      await place(blob, join(snapshot, file.path));
    }
  } catch (error) {
    throw diskError(error, 'store the model in', folder);
  } finally {
    unlock();
  }
}

function lock(id: string, folder: string): () => void {
  try {
    // Without a clock a holder on another machine always counts as alive.
    const held = acquireRunLock(folder, () => 0);
    return () => held.release();
  } catch (error) {
    if (!(error instanceof FactoryError) || error.code !== 'STORE_LOCKED') throw error;
    throw new FactoryError({
      code: 'MODEL_DOWNLOAD',
      message: `${id}: expected to be the only one to download it into ${folder}, found another process at it`,
      remedy: 'Wait until the other process has the model, then run the same command again.',
      cause: error,
    });
  }
}

/** A link from the snapshot to the blob; a copy where links are not allowed. */
async function place(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP'].includes(errnoOf(error))) throw error;
    await copyFile(blob, path);
  }
}

/** The snapshot folder of a revision, if its config and all weight files are there. */
async function cachedSnapshot(folder: string, revision: string): Promise<string | null> {
  const commit = isCommit(revision) ? revision : (await textOf(join(folder, 'refs', revision)))?.trim();
  if (!commit || !isCommit(commit)) return null;
  const snapshot = join(folder, 'snapshots', commit);
  const has = async (name: string) => (await stat(join(snapshot, name)).catch(() => null)) !== null;
  if (!(await has('config.json'))) return (await has('adapter_model.safetensors')) ? snapshot : null;
  if (await has('model.safetensors')) return snapshot;
  const shards = shardNames(await textOf(join(snapshot, 'model.safetensors.index.json')));
  const there = await Promise.all(shards.map(has));
  return shards.length > 0 && there.every(Boolean) ? snapshot : null;
}

function shardNames(index: string | null): string[] {
  try {
    const names = Object.values(JSON.parse(index ?? '{}').weight_map ?? {});
    return [...new Set(names)].filter((name): name is string => typeof name === 'string');
  } catch {
    return [];
  }
}

async function textOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

function isCommit(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{40}$/.test(text);
}

function badRevision(revision: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_NOT_FOUND',
    message: `model_revision: expected a branch, tag or commit, found ${JSON.stringify(revision)}`,
    remedy: 'Set model_revision to a branch, tag or commit of the model, such as main.',
  });
}

function offlineError(id: string, revision: string, cacheDir: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_OFFLINE',
    message: `${id}, revision ${revision}: expected a whole copy in the cache ${cacheDir}, as the hub is not asked in offline mode; found none`,
    remedy:
      'Unset HF_HUB_OFFLINE and run again to download it, set cache_dir to the cache that holds it, or set model_name_or_path to a local folder.',
    details: { id, revision, cacheDir },
  });
}
