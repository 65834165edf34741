// In: a repository. Out: READMEs at the root that are missing, too long, or show no code before line 20.
import type { Finding, Repository } from './source-files.ts';

const FILES = ['README.md', 'README.zh-CN.md'];
const CODE_BEFORE_LINE = 20;
const LINE_LIMIT = 150;

export function checkReadme(repository: Repository): Finding[] {
  return FILES.flatMap((file) => {
    const found = (line: number, message: string): Finding[] => [{ rule: 'readme', file, line, message }];
    if (!repository.paths.includes(file)) return found(1, 'the file is missing');
    const lines = repository.read(file).trimEnd().split('\n');
    const code = lines.findIndex((line) => /^\s*(```|~~~)/.test(line));
    if (code < 0 || code + 1 >= CODE_BEFORE_LINE) {
      return found(
        CODE_BEFORE_LINE,
        `the first code block must begin before line ${CODE_BEFORE_LINE}${code < 0 ? '; there is none' : `, it begins at ${code + 1}`}`,
      );
    }
    return lines.length > LINE_LIMIT
      ? found(LINE_LIMIT, `${lines.length} lines, the limit is ${LINE_LIMIT}`)
      : [];
  });
}
