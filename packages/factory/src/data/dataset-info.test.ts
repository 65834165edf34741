import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { type DatasetEntry, findDataset, readDatasetInfo } from './dataset-info.ts';

const root = mkdtempSync(join(tmpdir(), 'tunesmith-info-'));
afterAll(() => rmSync(root, { recursive: true }));
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'd-'));
  writeFileSync(join(dir, 'rows.json'), '[]');
});

async function resolve(entry: unknown): Promise<DatasetEntry> {
  writeFileSync(
    join(dir, 'dataset_info.json'),
    JSON.stringify({ mine: entry, other: { file_name: 'x.json' } }),
  );
  return findDataset('mine', await readDatasetInfo(dir)) as DatasetEntry;
}
async function failure(action: () => unknown): Promise<FactoryError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof FactoryError && error.remedy.length > 0) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

describe('entries', () => {
  test('defaults hold when columns and tags are absent', async () => {
    const alpaca = await resolve({ file_name: 'rows.json' });
    expect(alpaca).toMatchObject({
      formatting: 'alpaca',
      ranking: false,
      numSamples: null,
      path: join(dir, 'rows.json'),
    });
    expect(alpaca.columns).toMatchObject({
      prompt: 'instruction',
      query: 'input',
      response: 'output',
      history: null,
    });
    const sharegpt = await resolve({ file_name: 'rows.json', formatting: 'sharegpt' });
    expect(sharegpt.columns).toMatchObject({ messages: 'conversations', prompt: null });
    expect(sharegpt.tags).toMatchObject({ role_tag: 'from', user_tag: 'human', system_tag: 'system' });
  });

  test('a given object switches all of its defaults off', async () => {
    const entry = await resolve({ file_name: 'rows.json', columns: { prompt: 'text' } });
    expect(entry.columns).toMatchObject({ prompt: 'text', query: null, response: null });
    const tags = { role_tag: 'role', content_tag: 'content', user_tag: 'user', assistant_tag: 'assistant' };
    const tagged = await resolve({ file_name: 'rows.json', formatting: 'sharegpt', tags });
    expect(tagged.tags).toMatchObject({
      ...tags,
      observation_tag: null,
      function_tag: null,
      system_tag: null,
    });
  });

  test('objects that leave out what nothing can be read without are refused', async () => {
    const noMessages = await failure(() =>
      resolve({ file_name: 'rows.json', formatting: 'sharegpt', columns: { tools: 't' } }),
    );
    expect(noMessages).toMatchObject({
      code: 'DATA_BAD_INFO',
      message: expect.stringContaining('"messages"'),
    });
    const noTag = await failure(() =>
      resolve({ file_name: 'rows.json', formatting: 'sharegpt', tags: { role_tag: 'role' } }),
    );
    expect(noTag).toMatchObject({ code: 'DATA_BAD_INFO', message: expect.stringContaining('"content_tag"') });
    const noPrompt = await failure(() => resolve({ file_name: 'rows.json', columns: { response: 'a' } }));
    expect(noPrompt.message).toContain('"prompt"');
    const noPair = await failure(() =>
      resolve({ file_name: 'rows.json', ranking: true, columns: { prompt: 'a' } }),
    );
    expect(noPair.message).toContain('"chosen"');
  });

  test.each([
    [{ file_nam: 'rows.json' }, '"file_name"'],
    [{ file_name: 'rows.json', columns: { instruction: 'instruction' } }, '"prompt"'],
    [{ file_name: 'rows.json', columns: { respons: 'output' } }, '"response"'],
    [{ file_name: 'rows.json', formatting: 'sharegpt', tags: { user_tags: 'u' } }, '"user_tag"'],
    [{ file_name: 'rows.json', formatting: 'sharegtp' }, '"sharegpt"'],
  ])('%j: did you mean %s', async (entry, suggestion) => {
    const error = await failure(() => resolve(entry));
    expect(error.code).toBe('DATA_BAD_INFO');
    expect(error.message).toContain(`Did you mean ${suggestion}?`);
  });

  test.each([
    [null],
    ['rows.json'],
    [[]],
    [{}],
    [{ file_name: 7 }],
    [{ file_name: '' }],
    [{ file_name: 'rows.json', num_samples: 0 }],
    [{ file_name: 'rows.json', num_samples: 1e300 }],
    [{ file_name: 'rows.json', ranking: 'yes' }],
    [{ file_name: 'rows.json', columns: ['prompt'] }],
    [{ file_name: 'rows.json', columns: { prompt: 1 } }],
    [{ file_name: 'rows.json', split: 'test' }],
  ])('%j is a bad entry', async (entry) => {
    expect((await failure(() => resolve(entry))).code).toBe('DATA_BAD_INFO');
  });

  test('null means absent, old keys without effect are let through', async () => {
    const entry = await resolve({
      file_name: 'rows.json',
      columns: null,
      subset: null,
      file_sha1: 'ab',
      num_samples: 5,
    });
    expect(entry).toMatchObject({ numSamples: 5, columns: { prompt: 'instruction' } });
  });
});

describe('sources that are not local', () => {
  test.each(['hf_hub_url', 'ms_hub_url', 'om_hub_url', 'script_url', 'cloud_file_name'])(
    '%s is refused by name',
    async (key) => {
      const error = await failure(() => resolve({ [key]: 'org/name' }));
      expect(error.code).toBe('DATA_UNSUPPORTED_FORMAT');
      expect(error.message).toContain(`${key} "org/name"`);
    },
  );

  test('a local copy is used: file_name, or the folder of the hub id', async () => {
    expect((await resolve({ hf_hub_url: 'org/name', file_name: 'rows.json' })).path).toBe(
      join(dir, 'rows.json'),
    );
    mkdirSync(join(dir, 'org/name/data'), { recursive: true });
    const copied = await resolve({ hf_hub_url: 'org/name', split: 'test' });
    expect(copied).toMatchObject({ path: join(dir, 'org/name/data'), split: 'test' });
  });
});

describe('names', () => {
  test('an unknown name gets a suggestion', async () => {
    await resolve({ file_name: 'rows.json' });
    const error = await failure(async () => findDataset('mne', await readDatasetInfo(dir)));
    expect(error).toMatchObject({
      code: 'DATA_UNKNOWN_DATASET',
      message: expect.stringContaining('Did you mean "mine"?'),
    });
  });

  test('an entry wins over a path; a path needs no dataset_info.json', async () => {
    await resolve({ file_name: 'rows.json' });
    expect(findDataset('rows.json', await readDatasetInfo(dir))).toEqual({
      name: 'rows.json',
      path: join(dir, 'rows.json'),
    });
    const absolute = join(dir, 'rows.json');
    expect(findDataset(absolute, await readDatasetInfo(join(root, 'nowhere')))).toEqual({
      name: absolute,
      path: absolute,
    });
    const error = await failure(async () =>
      findDataset('mine', await readDatasetInfo(join(root, 'nowhere'))),
    );
    expect(error.code).toBe('DATA_NOT_FOUND');
    expect((await failure(async () => findDataset('', await readDatasetInfo(dir)))).code).toBe(
      'DATA_UNKNOWN_DATASET',
    );
    expect((await failure(async () => findDataset('toString', await readDatasetInfo(dir)))).code).toBe(
      'DATA_UNKNOWN_DATASET',
    );
  });

  test.each(['', '[]', '{"mine": ', 'null', '7', '\u0000'])(
    'dataset_info.json holding %j',
    async (content) => {
      writeFileSync(join(dir, 'dataset_info.json'), content);
      expect((await failure(() => readDatasetInfo(dir))).code).toBe('DATA_BAD_INFO');
    },
  );

  test.each(['ONLINE', 'REMOTE:org/name'])('dataset_dir %s is refused', async (name) => {
    expect((await failure(() => readDatasetInfo(name))).code).toBe('DATA_UNSUPPORTED_FORMAT');
  });
});
