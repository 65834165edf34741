// In: the words after `tunesmith eval verdict`. Out: the verdict on the terminal, as JSON, and as files; exit status 0 to
// ship, 1 not to, 3 where there is not enough evidence.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dossier } from '#factory/eval/report/dossier.ts';
import { readRules } from '#factory/eval/verdict/read-rules.ts';
import { type RuleFile, verdict } from '#factory/eval/verdict/verdict.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { readError } from '#factory/store/read-error.ts';
import type { CommandContext } from '../command.ts';
import { packageVersion } from '../commands/version.ts';
import { compareFolders, readEvalWords } from './read-sides.ts';
import { verdictText } from './verdict-text.ts';

export async function verdictCommand({ words, json, terminal }: CommandContext): Promise<number> {
  const { things, options } = readEvalWords(words, 'verdict', ['RULES', 'BASE', 'CANDIDATE']);
  const [rulesPath, ...folders] = things;
  const file = await openRules(rulesPath);
  const { base, candidate, comparison } = await compareFolders(folders, options, file.rules.confidence);
  const made = verdict(file, base, candidate, comparison, {
    version: packageVersion(),
    now: new Date().toISOString(),
  });
  const dir = (options.output_dir as string | null) ?? join(candidate.folder, 'verdict');
  await writeAtomic(join(dir, 'verdict.json'), `${JSON.stringify(made, null, 2)}\n`);
  await writeAtomic(join(dir, 'verdict.html'), dossier(made));
  terminal.out(json ? `${JSON.stringify(made)}\n` : verdictText(made, dir));
  return made.exitStatus;
}

async function openRules(path: string): Promise<RuleFile> {
  try {
    const bytes = await readFile(path);
    const { mtime } = await stat(path);
    return {
      rules: readRules(path, bytes.toString('utf8')),
      path,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      modifiedAt: mtime.toISOString(),
    };
  } catch (error) {
    throw readError(error, path, 'EVAL_BAD_RULES');
  }
}
