import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EncodedDataset, IGNORE_INDEX } from '#factory/records/encoded.ts';
import { readTokenCache, tokenCachePath, writeTokenCache } from './token-cache.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-tokens-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const FINGERPRINT = 'ab'.repeat(32);
const totals = { used: 3, repaired: 0, truncated: 1, dropped: 2, tokens: 9, labelTokens: 4 };
const dataset = (rows: [number[], number[]][]): EncodedDataset => ({
  examples: rows.map(([ids, labels]) => ({
    inputIds: Int32Array.from(ids),
    labels: Int32Array.from(labels),
  })),
  sequencesPerRow: 1,
  fingerprint: FINGERPRINT,
  totals,
});
const sample = dataset([
  [
    [1, 2, 3, 4],
    [-100, -100, 3, 4],
  ],
  [[], []],
  [
    [151_643, 5],
    [151_643, -100],
  ],
  // The label of a token that is not that token: an end token on the first token of the next turn.
  [
    [7, 8, 9],
    [2, -100, 9],
  ],
]);

test('law: any ids and labels come back', async () => {
  const token = fc.oneof(fc.nat(65_535), fc.nat(400_000));
  const row = fc.array(fc.tuple(token, fc.constantFrom('masked', 'labelled', 'other')), { maxLength: 12 });
  const law = fc.asyncProperty(fc.array(row, { maxLength: 6 }), async (rows) => {
    const label = (id: number, kind: string) =>
      kind === 'masked' ? IGNORE_INDEX : kind === 'labelled' ? id : 2;
    const data = dataset(rows.map((r) => [r.map(([id]) => id), r.map(([id, kind]) => label(id, kind))]));
    await writeTokenCache(dir, data);
    expect(await readTokenCache(dir, FINGERPRINT)).toEqual({ dataset: data, note: null });
  });
  await fc.assert(law, { numRuns: 60 });
});

test('law: the borders inside packed rows come back', async () => {
  const row = fc.tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.option(fc.uniqueArray(fc.nat(9), { minLength: 1 })),
  );
  const law = fc.asyncProperty(fc.array(row, { maxLength: 5 }), async (rows) => {
    const data = dataset(rows.map(([length]) => [Array(length).fill(7), Array(length).fill(7)]));
    rows.forEach(([, starts], i) => {
      if (starts) data.examples[i].starts = starts;
    });
    await writeTokenCache(dir, data);
    expect(await readTokenCache(dir, FINGERPRINT)).toEqual({ dataset: data, note: null });
  });
  await fc.assert(law, { numRuns: 40 });
});

test('a miss has no note; a damaged file is a miss with one, for every flipped byte and every length', async () => {
  expect(await readTokenCache(join(dir, 'absent'), FINGERPRINT)).toEqual({ dataset: null, note: null });
  const path = await writeTokenCache(dir, sample);
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at++) {
    const altered = Uint8Array.from(bytes);
    altered[at] ^= 0x41;
    writeFileSync(path, altered);
    const { dataset: found, note } = await readTokenCache(dir, FINGERPRINT);
    expect(found, `byte ${at}`).toBeNull();
    expect(note).toContain('tokenising again');
  }
  for (let length = 0; length < bytes.length; length += 3) {
    writeFileSync(path, bytes);
    truncateSync(path, length);
    expect((await readTokenCache(dir, FINGERPRINT)).note).toContain('damaged');
  }
});

test('a file of another fingerprint under this name, or a folder, is a miss with a note', async () => {
  writeFileSync(tokenCachePath(dir, 'cd'.repeat(32)), readFileSync(await writeTokenCache(dir, sample)));
  expect((await readTokenCache(dir, 'cd'.repeat(32))).note).toContain('other data');
  mkdirSync(tokenCachePath(dir, 'ef'.repeat(32)));
  expect((await readTokenCache(dir, 'ef'.repeat(32))).note).toContain('EISDIR');
});

test('pairs and rated answers come back as they were', async () => {
  const rated: EncodedDataset = { ...sample, sequencesPerRow: 2, isDesirable: [true, false, false, true] };
  await writeTokenCache(dir, rated);
  expect((await readTokenCache(dir, FINGERPRINT)).dataset).toEqual(rated);
});

test('a million tokens take about two bytes each', async () => {
  const ids = Int32Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) % 50_000);
  const examples = Array.from({ length: 4000 }, (_, row) => {
    const inputIds = ids.subarray(row * 250, row * 250 + 250);
    return { inputIds, labels: inputIds.map((id, i) => (i < 100 ? IGNORE_INDEX : id)) };
  });
  const path = await writeTokenCache(dir, {
    examples,
    sequencesPerRow: 1,
    fingerprint: FINGERPRINT,
    totals,
  });
  expect(readFileSync(path).length).toBeLessThan(2_100_000);
  const { dataset: found } = await readTokenCache(dir, FINGERPRINT);
  expect(found!.examples[3999]).toEqual(examples[3999]);
});
