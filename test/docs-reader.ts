// In: a Markdown page. Out: its links, the repository paths that it names, the anchors of its headings and the commands in
// its shell blocks. It opens no file and judges nothing.

export interface ShellBlock {
  /** The whole block, so that a shown error can be compared with the command's. */
  text: string;
  commands: string[][];
}

export interface Page {
  links: string[];
  /** Paths in backticks that begin with a folder of the repository. */
  paths: string[];
  anchors: Set<string>;
  shells: ShellBlock[];
  /** YAML blocks whose first line is `# name.yaml`, by that name. */
  files: Map<string, string>;
}

const SHELLS = new Set(['sh', 'bash', 'shell', 'console']);
const TOP = /^(?:packages|docs|examples|recipes|benchmarks|test|tools|\.ci)\/[\w./-]*$/;

export function readPage(markdown: string): Page {
  const page: Page = { links: [], paths: [], anchors: new Set(), shells: [], files: new Map() };
  const prose: string[] = [];
  let fence: { language: string; lines: string[] } | null = null;
  for (const line of markdown.split('\n')) {
    const mark = /^\s*```(\w*)/.exec(line);
    if (mark && fence === null) fence = { language: mark[1], lines: [] };
    else if (mark && fence !== null) {
      takeFence(page, fence.language, fence.lines);
      fence = null;
    } else if (fence !== null) fence.lines.push(line);
    else prose.push(line);
  }
  for (const line of prose) {
    const heading = /^#+\s+(.*)$/.exec(line);
    if (heading) page.anchors.add(slug(heading[1]));
    for (const [, target] of line.matchAll(/\]\(([^)\s]+)\)/g)) page.links.push(target);
    for (const [, code] of line.matchAll(/`([^`]+)`/g)) if (TOP.test(code)) page.paths.push(code);
  }
  return page;
}

function takeFence(page: Page, language: string, lines: string[]): void {
  const text = lines.join('\n');
  const name = /^# ([\w.-]+\.ya?ml)\b/.exec(lines[0] ?? '')?.[1];
  if (language === 'yaml' && name) page.files.set(name, text);
  if (!SHELLS.has(language)) return;
  const commands = text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => splitShell(line.replace(/^\$ /, '')));
  page.shells.push({ text, commands });
}

/** The words of each command of a line; quotes as in a shell, `|`, `&&`, `;` and `>` end a command, `#` begins a comment. */
export function splitShell(line: string): string[][] {
  const commands: string[][] = [[]];
  const pattern = /\s*(?:(#.*$)|(\|\||&&|[|;>])|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"|;>&\\])+))/gy;
  for (const [, comment, operator, word] of line.matchAll(pattern)) {
    if (comment !== undefined) break;
    if (operator !== undefined) commands.push([]);
    else commands.at(-1)!.push(unquote(word));
  }
  return commands.filter((words) => words.length > 0);
}

function unquote(word: string): string {
  return word.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g, (_, single, double, escaped) =>
    single !== undefined ? single : double !== undefined ? double.replaceAll(/\\(.)/g, '$1') : escaped,
  );
}

/** GitHub's anchor of a heading. */
export function slug(heading: string): string {
  return heading
    .replaceAll(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');
}
