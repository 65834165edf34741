// In: a folder or a file that was exported, and where it came from. Out: `tunesmith_export.json` with the SHA-256 sum of every
// file, its parents and the settings (for one file, `<file>.manifest.json` beside it); and later, whether all is still as it was.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { type WrittenFile, writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { sha256Of } from './file-sum.ts';
import { readJsonObject } from './read-json.ts';

const EXPORT_MANIFEST = 'tunesmith_export.json';

const files = z.record(z.string(), z.strictObject({ bytes: z.number(), sha256: z.string() }));
const schema = z.strictObject({
  format: z.literal(1),
  kind: z.enum(['merged', 'adapter', 'gguf', 'ollama']),
  tunesmith: z.string(),
  /** The base first, then the adapters in the order that they were merged in. */
  parents: z.array(
    z.strictObject({
      role: z.enum(['base', 'adapter']),
      name: z.string(),
      license: z.nullable(z.string()),
      files,
    }),
  ),
  settings: z.record(z.string(), z.unknown()),
  files,
});

export type ExportManifest = z.infer<typeof schema>;

/** Of all files of an export. */
export const exportedBytes = (manifest: ExportManifest): number =>
  Object.values(manifest.files).reduce((n, { bytes }) => n + bytes, 0);

/** Sums of the files directly in `dir` whose names `pick` takes, sorted by name. */
export async function fileSums(
  dir: string,
  pick: (name: string) => boolean = () => true,
): Promise<Record<string, WrittenFile>> {
  const sums: Record<string, WrittenFile> = {};
  for (const entry of (await readdir(dir, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  ))
    if (!entry.isDirectory() && pick(entry.name)) sums[entry.name] = await sumOf(join(dir, entry.name));
  return sums;
}

/** Written last: it names every other file of the folder. */
export async function writeExportManifest(
  dir: string,
  manifest: Omit<ExportManifest, 'format' | 'files'>,
): Promise<ExportManifest> {
  const whole: ExportManifest = { format: 1, ...manifest, files: await fileSums(dir) };
  await writeAtomic(join(dir, EXPORT_MANIFEST), `${JSON.stringify(whole, null, 2)}\n`);
  return whole;
}

/** Where the manifest of a single file lies. */
const besideFile = (path: string) => `${path}.manifest.json`;

/** For an export of one file, whose sum is known. */
export async function writeFileManifest(
  path: string,
  sum: WrittenFile,
  manifest: Omit<ExportManifest, 'format' | 'files'>,
): Promise<void> {
  const whole: ExportManifest = { format: 1, ...manifest, files: { [basename(path)]: sum } };
  await writeAtomic(besideFile(path), `${JSON.stringify(whole, null, 2)}\n`);
}

/** What differs from the manifest, one line each; none where the folder, or the file, is as it was written. */
export async function verifyExport(
  artefact: string,
): Promise<{ manifest: ExportManifest; problems: string[] }> {
  const isFile = await stat(artefact).then(
    (found) => found.isFile(),
    () => false,
  );
  const dir = isFile ? dirname(artefact) : artefact;
  const path = isFile ? besideFile(artefact) : join(dir, EXPORT_MANIFEST);
  const remedy = 'Name a folder or a file that tunesmith exported, or export again.';
  const read = await readJsonObject(path, { code: 'EXPORT_BAD_MANIFEST', remedy });
  const parsed = schema.safeParse(read ?? {});
  if (!parsed.success)
    throw new FactoryError({
      code: 'EXPORT_BAD_MANIFEST',
      message: read
        ? `${path}: ${parsed.error.issues[0].path.join('.')}: ${parsed.error.issues[0].message}`
        : `${artefact}: expected the file ${basename(path)}, found none`,
      remedy,
    });
  const problems: string[] = [];
  for (const [name, expected] of Object.entries(parsed.data.files)) {
    const found = await sumOf(join(dir, name)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw diskError(error, 'read', join(dir, name));
      return null;
    });
    if (!found) problems.push(`${name} is missing`);
    else if (found.bytes !== expected.bytes)
      problems.push(`${name} has ${found.bytes} bytes where ${expected.bytes} were written`);
    else if (found.sha256 !== expected.sha256) problems.push(`${name} differs from its SHA-256 sum`);
  }
  return { manifest: parsed.data, problems };
}

export async function sumOf(path: string): Promise<WrittenFile> {
  const { size } = await stat(path);
  return { bytes: size, sha256: await sha256Of(path) };
}
