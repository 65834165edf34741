import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { encodeSafetensors } from '#factory/store/safetensors-format.ts';
import { parseModelConfig } from './config.ts';
import { type DownloadProgress, downloadModel, type HubOptions, isHubId } from './hub.ts';
import { initialWeights } from './initial-weights.ts';
import { openModel } from './open-model.ts';

const COMMIT = 'a'.repeat(40);
const CONFIG = {
  model_type: 'llama',
  vocab_size: 3000,
  hidden_size: 32,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  tie_word_embeddings: true,
};

/** A hub with one repository, and switches for what goes wrong. */
class Hub {
  files = new Map<string, Buffer>();
  requests: { path: string; range: string | undefined; authorization: string | undefined }[] = [];
  /** Break the connection after this many bytes of the weights; each entry is used once. */
  breakAfter: number[] = [];
  corruptions = 0;
  ignoresRange = false;
  status: number | null = null;
  failuresFirst = 0;
  server: Server = createServer((request, response) => this.answer(request, response));
  url = '';

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(() => done()));
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '', this.url).pathname);
    const { range, authorization } = request.headers;
    this.requests.push({ path, range, authorization });
    const json = (value: unknown) =>
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
    if (this.failuresFirst > 0 && path.includes('/resolve/')) {
      this.failuresFirst--;
      response.writeHead(503).end('busy');
    } else if (this.status !== null) response.writeHead(this.status).end('no');
    else if (path.startsWith('/api/models/org/tiny/revision/'))
      json({
        _id: '1',
        id: 'org/tiny',
        sha: COMMIT,
        private: false,
        downloads: 1,
        gated: false,
        likes: 0,
        lastModified: '2025-01-01',
      });
    else if (path === `/api/models/org/tiny/tree/${COMMIT}`) json(this.listing());
    else if (path.startsWith(`/org/tiny/resolve/${COMMIT}/`))
      this.send(path.split('/').at(-1)!, range, response);
    else response.writeHead(404).end('not here');
  }

  listing() {
    const entries = [...this.files].map(([path, content]) => {
      const isLfs = path.endsWith('.safetensors') || path.endsWith('.bin');
      const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
      const sha256 = createHash('sha256').update(content).digest('hex');
      return {
        type: 'file',
        path,
        size: content.length,
        oid,
        ...(isLfs ? { lfs: { oid: sha256, size: content.length, pointerSize: 130 } } : {}),
      };
    });
    return [{ type: 'directory', path: 'onnx', oid: '0'.repeat(40), size: 0 }, ...entries];
  }

  send(name: string, range: string | undefined, response: ServerResponse): void {
    const whole = this.files.get(name)!;
    const from = range && !this.ignoresRange ? Number(/^bytes=(\d+)-/.exec(range)![1]) : 0;
    const content = Buffer.from(whole.subarray(from));
    if (name.endsWith('.safetensors') && this.corruptions > 0) {
      this.corruptions--;
      content[content.length - 1] ^= 1;
    }
    response.writeHead(range && !this.ignoresRange ? 206 : 200, {
      'Content-Length': content.length,
      ...(range && !this.ignoresRange
        ? { 'Content-Range': `bytes ${from}-${whole.length - 1}/${whole.length}` }
        : {}),
    });
    const cut = name.endsWith('.safetensors') ? this.breakAfter.shift() : undefined;
    if (cut === undefined) response.end(content);
    else response.write(content.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  }

  weightRequests() {
    return this.requests
      .filter((request) => request.path.endsWith('.safetensors'))
      .map((request) => request.range);
  }
}

let hub: Hub;
let cacheDir: string;
let weights: Buffer;

beforeAll(async () => {
  const source = initialWeights(parseModelConfig(CONFIG, 'x'), 1);
  const tensors = await Promise.all([...source.tensors.keys()].map((name) => source.read(name)));
  weights = Buffer.concat(
    encodeSafetensors(tensors, { format: 'pt' }).map((piece) =>
      Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength),
    ),
  );
});
beforeEach(async () => {
  hub = new Hub();
  await hub.start();
  cacheDir = await mkdtemp(join(tmpdir(), 'hub-'));
  hub.files.set('config.json', Buffer.from(JSON.stringify(CONFIG)));
  hub.files.set('tokenizer.json', Buffer.from('{"model": "grüße"}'));
  hub.files.set('generation_config.json', Buffer.from('{"eos_token_id": 2}'));
  hub.files.set('model.safetensors', weights);
  hub.files.set('README.md', Buffer.from('text'));
  hub.files.set('pytorch_model.bin', Buffer.from('pickle'));
});
afterEach(async () => {
  await hub.stop();
  await rm(cacheDir, { recursive: true });
});

const options = (extra: Partial<HubOptions> = {}): HubOptions => ({
  cacheDir,
  hubUrl: hub.url,
  retryDelayMs: 1,
  ...extra,
});
const blobFolder = () => join(cacheDir, 'models--org--tiny', 'blobs');

async function sameWeights(dir: string): Promise<boolean> {
  return weights.equals(await readFile(join(dir, 'model.safetensors')));
}

async function failure(work: Promise<unknown>): Promise<FactoryError> {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (e) => e,
  );
  expect(error).toBeInstanceOf(FactoryError);
  expect(error.remedy).not.toBe('');
  return error;
}

describe('a model from the hub', () => {
  it('is downloaded, checked, opened and then served from the cache in Hugging Face layout', async () => {
    const progress: DownloadProgress[] = [];
    const model = await openModel(
      'org/tiny',
      options({ token: 'mirror-secret', onProgress: (p) => progress.push(p) }),
    );
    expect(model).toMatchObject({
      config: { architecture: 'llama' },
      generationConfig: { eos_token_id: 2 },
      notes: [],
    });
    expect((await model.weights.read('model.norm.weight')).data).toHaveLength(32);
    await model.weights.close();
    expect(model.dir).toBe(join(cacheDir, 'models--org--tiny', 'snapshots', COMMIT));
    expect((await readdir(model.dir)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect((await lstat(join(model.dir, 'model.safetensors'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(cacheDir, 'models--org--tiny', 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(progress.at(-1)).toMatchObject({
      totalDoneBytes: progress[0].totalBytes,
      file: 'model.safetensors',
    });
    expect(hub.requests.every((request) => request.authorization === 'Bearer mirror-secret')).toBe(true);

    const before = hub.weightRequests().length;
    await downloadModel('org/tiny', options());
    expect(hub.weightRequests()).toHaveLength(before);
    await hub.stop();
    expect(await downloadModel('org/tiny', options({ offline: true }))).toBe(model.dir);
    const notes: string[] = [];
    expect(await downloadModel('org/tiny', options({ onNote: (text) => notes.push(text) }))).toBe(model.dir);
    expect(notes).toEqual([expect.stringContaining('using the cached copy')]);
    await hub.start();
  });

  it('continues a broken download in the same call, and loses no byte', async () => {
    hub.breakAfter = [150_000, 100_000];
    const dir = await downloadModel('org/tiny', options());
    expect(await sameWeights(dir)).toBe(true);
    const ranges = hub.weightRequests();
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    const starts = ranges.slice(1).map((range) => Number(/bytes=(\d+)-/.exec(range!)![1]));
    expect(starts[0]).toBeGreaterThan(0);
    // What is on its way when a connection breaks may be lost with it.
    expect(starts[1]).toBeGreaterThanOrEqual(starts[0]);
  });

  it('continues in a later call what an interrupted one left', async () => {
    const controller = new AbortController();
    const stop = ({ file, doneBytes }: DownloadProgress) => {
      if (file === 'model.safetensors' && doneBytes > 50_000) controller.abort();
    };
    hub.breakAfter = [200_000];
    const error = await failure(
      downloadModel('org/tiny', options({ signal: controller.signal, onProgress: stop })),
    );
    expect(error).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      remedy: expect.stringContaining('continues where it stopped'),
    });
    const partial = (await readdir(blobFolder())).find((name) => name.endsWith('.incomplete'));
    const { size } = await stat(join(blobFolder(), partial!));
    expect(size).toBeGreaterThan(50_000);
    expect(await failure(downloadModel('org/tiny', options({ offline: true })))).toMatchObject({
      code: 'MODEL_OFFLINE',
    });
    const dir = await downloadModel('org/tiny', options());
    expect(hub.weightRequests().at(-1)).toBe(`bytes=${size}-`);
    expect(await sameWeights(dir)).toBe(true);
    expect((await readdir(blobFolder())).some((name) => name.endsWith('.incomplete'))).toBe(false);
  });

  it('starts over when the server ignores ranges, and when the partial file was damaged', async () => {
    hub.ignoresRange = true;
    hub.breakAfter = [150_000];
    expect(await sameWeights(await downloadModel('org/tiny', options()))).toBe(true);
    await rm(join(cacheDir, 'models--org--tiny'), { recursive: true });
    hub.ignoresRange = false;
    await mkdir(blobFolder(), { recursive: true });
    await writeFile(
      join(blobFolder(), `${createHash('sha256').update(weights).digest('hex')}.incomplete`),
      Buffer.alloc(1000, 7),
    );
    expect(await sameWeights(await downloadModel('org/tiny', options()))).toBe(true);
  });

  it('tries again after a corrupted transfer, and refuses a file that stays corrupted', async () => {
    hub.corruptions = 1;
    expect(await sameWeights(await downloadModel('org/tiny', options()))).toBe(true);
    await rm(join(cacheDir, 'models--org--tiny'), { recursive: true });
    hub.corruptions = 99;
    const error = await failure(downloadModel('org/tiny', options()));
    expect(error).toMatchObject({ code: 'MODEL_CHECKSUM', exitCode: 3 });
    expect(error.message).toMatch(/model\.safetensors from .*expected \d+ bytes with SHA-256/);
    expect(await failure(downloadModel('org/tiny', options({ offline: true })))).toMatchObject({
      code: 'MODEL_OFFLINE',
    });
  });

  it('waits out a busy server, and gives up with a remedy on a dead one', async () => {
    hub.failuresFirst = 2;
    await downloadModel('org/tiny', options());
    await rm(join(cacheDir, 'models--org--tiny'), { recursive: true });
    hub.breakAfter = [0, 0, 0, 0, 0, 0];
    expect(await failure(downloadModel('org/tiny', options()))).toMatchObject({ code: 'MODEL_DOWNLOAD' });
    await rm(join(cacheDir, 'models--org--tiny'), { recursive: true });
    await hub.stop();
    expect((await failure(downloadModel('org/tiny', options()))).code).toBe('MODEL_DOWNLOAD');
    await hub.start();
  });

  it.each([
    [401, 'MODEL_DOWNLOAD', /hf_hub_token/],
    [403, 'MODEL_DOWNLOAD', /hf_hub_token/],
    [404, 'MODEL_NOT_FOUND', /typing errors/],
    [500, 'MODEL_DOWNLOAD', /network/],
  ])('explains HTTP %d', async (status, code, remedy) => {
    hub.status = status;
    expect(await failure(downloadModel('org/tiny', options()))).toMatchObject({
      code,
      remedy: expect.stringMatching(remedy),
    });
  });

  it('refuses pickles before downloading anything', async () => {
    hub.files.delete('model.safetensors');
    const error = await failure(downloadModel('org/tiny', options()));
    expect(error).toMatchObject({
      code: 'MODEL_BAD_FILE',
      message: expect.stringContaining('pytorch_model.bin'),
    });
    expect(hub.requests.some((request) => request.path.includes('/resolve/'))).toBe(false);
  });

  it('is not downloaded twice at once', async () => {
    const folder = join(cacheDir, 'models--org--tiny');
    const { acquireRunLock } = await import('#factory/store/run-lock.ts');
    const held = acquireRunLock(folder, () => 0);
    expect(await failure(downloadModel('org/tiny', options()))).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message: expect.stringContaining('another process'),
    });
    held.release();
    await downloadModel('org/tiny', options());
    expect(await readdir(folder)).not.toContain('tunesmith.lock');
  });
});

describe('names', () => {
  it('tells hub ids from paths', async () => {
    expect(['gpt2', 'Qwen/Qwen2.5-0.5B', 'a/b_c.d'].every(isHubId)).toBe(true);
    expect(['./x', '/x', 'a/b/c', '../x', 'a b', '', 'a/', 'a/..', 'C:\\x'].some(isHubId)).toBe(false);
    expect(await failure(openModel('./nowhere/model', options()))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
    const file = join(cacheDir, 'file.bin');
    await writeFile(file, 'x');
    expect((await failure(openModel(file, options()))).message).toMatch(/found a file/);
    expect(await failure(openModel('org/tiny', options({ revision: '../../x' })))).toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });
});
