import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FactoryError } from '#factory/errors.ts';
import { removeLeftovers, writeAtomic } from './atomic-file.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-atomic-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function failure(work: Promise<unknown>): Promise<FactoryError> {
  return work.then(
    () => expect.unreachable('it should have failed'),
    (error) => error as FactoryError,
  );
}

describe('writeAtomic', () => {
  test('writes text, bytes, typed arrays and streams of pieces, and reports size and sum', async () => {
    const path = join(dir, 'a', 'b.bin');
    await writeAtomic(path, 'grüß 你好');
    expect(readFileSync(path, 'utf8')).toBe('grüß 你好');
    const pieces = [new Float32Array([1.5, -2]), new Uint8Array([7]), new Int32Array([3])];
    const written = await writeAtomic(path, pieces);
    expect(written.bytes).toBe(13);
    const expected = Buffer.concat(pieces.map((p) => new Uint8Array(p.buffer)));
    expect(readFileSync(path)).toEqual(expected);
    const again = await writeAtomic(
      path,
      (async function* () {
        yield* pieces;
      })(),
    );
    expect(again).toEqual(written);
    expect((await writeAtomic(path, new Float32Array(0))).sha256).toMatch(/^e3b0c442/);
    expect(readdirSync(join(dir, 'a'))).toEqual(['b.bin']);
  });

  test('writes a view of a larger buffer as that view only', async () => {
    const path = join(dir, 'view');
    await writeAtomic(path, new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3));
    expect([...readFileSync(path)]).toEqual([2, 3]);
  });

  test('content that fails half-way leaves the old file and no temporary one', async () => {
    const path = join(dir, 'kept');
    await writeAtomic(path, 'old');
    const error = await failure(
      writeAtomic(
        path,
        (async function* () {
          yield new Uint8Array(10);
          throw new Error('source broke');
        })(),
      ),
    );
    expect(error.code).toBe('STORE_IO');
    expect(error.message).toContain('source broke');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['kept']);
  });

  test('a file in the way of the folder, or a folder in the way of the file, is STORE_UNWRITABLE', async () => {
    writeFileSync(join(dir, 'file'), '');
    const notAFolder = await failure(writeAtomic(join(dir, 'file', 'x.json'), '{}'));
    expect(notAFolder.code).toBe('STORE_UNWRITABLE');
    expect(notAFolder.remedy).toMatch(/output_dir/);
    mkdirSync(join(dir, 'folder'));
    expect((await failure(writeAtomic(join(dir, 'folder'), '{}'))).code).toBe('STORE_UNWRITABLE');
    expect(readdirSync(dir).sort()).toEqual(['file', 'folder']);
  });

  test.skipIf(process.getuid?.() === 0)(
    'a read-only folder is STORE_UNWRITABLE (root ignores permissions)',
    async () => {
      mkdirSync(join(dir, 'closed'), { mode: 0o500 });
      expect((await failure(writeAtomic(join(dir, 'closed', 'x'), '1'))).code).toBe('STORE_UNWRITABLE');
    },
  );

  test('a full disk is STORE_DISK_FULL, keeps the old file and leaves nothing half-written', async (context) => {
    const disk = join(dir, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return context.skip('a small file system can only be mounted by root');
    }
    try {
      const path = join(disk, 'state.bin');
      await writeAtomic(path, 'old');
      const error = await failure(writeAtomic(path, new Uint8Array(1 << 20)));
      expect(error.code).toBe('STORE_DISK_FULL');
      expect(error.exitCode).toBe(3);
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(readdirSync(disk)).toEqual(['state.bin']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

test('removeLeftovers deletes temporary names only', async () => {
  mkdirSync(join(dir, 'checkpoint-3.tmp-12-0'));
  for (const name of ['a.json.tmp-9-4', 'a.json', 'notes.tmp', 'x.tmp-1-2.md'])
    writeFileSync(join(dir, name), '1');
  expect((await removeLeftovers(dir)).sort()).toEqual(['a.json.tmp-9-4', 'checkpoint-3.tmp-12-0']);
  expect(readdirSync(dir).sort()).toEqual(['a.json', 'notes.tmp', 'x.tmp-1-2.md']);
  expect(await removeLeftovers(join(dir, 'absent'))).toEqual([]);
});
