// In: what a user names as a model to serve. Out: the GGUF file of it. Folders, of a model or of an adapter, are exported to one
// in a cache, once: a later start finds it there.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { withAdapterFolder } from './adapter-folder.ts';
import { exportGguf } from './export-gguf.ts';
import { exportGgufAdapter } from './export-gguf-adapter.ts';
import type { BaseDeps } from './open-base.ts';

/** The GGUF file of an adapter that goes on a served model. */
export async function servedAdapterFile(path: string, deps: BaseDeps): Promise<string> {
  if (/\.gguf$/i.test(path)) return path;
  const args = await folderArgs(path, null);
  if (args.adapter_name_or_path.length === 0)
    throw new FactoryError({
      code: 'ADAPTERS_NOT_FOUND',
      message: `${path}: expected a GGUF file or a folder with adapter_config.json, found another folder`,
      remedy: 'Name the folder of an adapter, or serve this one as a model.',
      details: { path },
    });
  const dir = join(cacheOf(deps.env), `adapter-${await keyOf(args)}`);
  const known = await ggufIn(dir);
  if (known !== null) return known;
  deps.note(`${path} is exported to a GGUF adapter in ${dir}, which later starts use`);
  const { files } = await exportGgufAdapter(args, { exportDir: dir, dtype: null, force: false }, deps);
  return join(dir, files[0] as string);
}

export async function servedFile(path: string, template: string | null, deps: BaseDeps): Promise<string> {
  if (/\.gguf$/i.test(path)) return path;
  const args = await folderArgs(path, template);
  const dir = join(cacheOf(deps.env), await keyOf(args));
  const known = await ggufIn(dir);
  if (known !== null) return known;
  deps.note(`${path} is exported to a GGUF file in ${dir}, which later starts use`);
  const { files } = await exportGguf(
    args,
    {
      exportDir: dir,
      verify: false,
      ollama: false,
      fileType: null,
      preTokenizer: null,
      quantization: null,
      force: false,
    },
    deps,
  );
  return join(dir, files[0] as string);
}

async function folderArgs(path: string, template: string | null): Promise<TrainArgs> {
  if (!existsSync(path))
    throw new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `${path}: expected a GGUF file, or the folder of a model or an adapter, found nothing there`,
      remedy:
        'Check the path; a model of the hub must be downloaded, or exported with tunesmith export --to gguf.',
      details: { path },
    });
  const words = ['--model_name_or_path', path, ...(template === null ? [] : ['--template', template])];
  return await withAdapterFolder(parseModelArgs(words, [], { readFile: () => '', env: {} }).args);
}

function cacheOf(env: BaseDeps['env']): string {
  const home = env.XDG_CACHE_HOME ?? join(env.HOME ?? env.USERPROFILE ?? '.', '.cache');
  return join(resolve(home), 'tunesmith', 'gguf');
}

/** Of names, sizes and times of all files that go into the export, and of the template. */
async function keyOf(args: TrainArgs): Promise<string> {
  const hash = createHash('sha256').update(`1 ${args.template ?? ''}\n`);
  for (const dir of [args.model_name_or_path, ...args.adapter_name_or_path]) {
    hash.update(`${resolve(dir)}\n`);
    if (!existsSync(dir)) continue;
    for (const name of (await readdir(dir)).sort()) {
      const { size, mtimeMs, isFile } = await stat(join(dir, name)).then((s) => ({
        size: s.size,
        mtimeMs: s.mtimeMs,
        isFile: s.isFile(),
      }));
      if (isFile) hash.update(`${name} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex').slice(0, 24);
}

async function ggufIn(dir: string): Promise<string | null> {
  if (!existsSync(dir)) return null;
  const name = (await readdir(dir)).find((one) => one.endsWith('.gguf'));
  return name === undefined ? null : join(dir, name);
}
