// In: a repository. Out: source files over the limit that the short list below does not excuse, and excuses that are
// no longer needed.
import type { Finding, Repository } from './source-files.ts';

export const LINE_LIMIT = 600;

/** Path → why one file is better than two. Tables only. */
export const LONG_FILES: Record<string, string> = {};

export function checkFileSizes(
  repository: Repository,
  excused: Record<string, string> = LONG_FILES,
): Finding[] {
  const findings: Finding[] = [];
  const found = (file: string, line: number, message: string) =>
    findings.push({ rule: 'sizes', file, line, message });
  for (const { path, text } of repository.sources) {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    if (lines > LINE_LIMIT && !Object.hasOwn(excused, path)) {
      found(
        path,
        LINE_LIMIT,
        `${lines} lines, the limit is ${LINE_LIMIT}: split it by idea, or excuse it in tools/check/file-sizes.ts`,
      );
    } else if (lines <= LINE_LIMIT && Object.hasOwn(excused, path)) {
      found(path, 1, `${lines} lines need no excuse in tools/check/file-sizes.ts: take it off the list`);
    }
  }
  const paths = new Set(repository.paths);
  for (const path of Object.keys(excused)) {
    if (!paths.has(path))
      found(path, 1, 'the list in tools/check/file-sizes.ts excuses a file that is not there');
  }
  return findings;
}
