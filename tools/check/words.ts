// In: a repository and its commit messages. Out: places where the project speaks of how it is made instead of itself:
// the tools and people's helpers that wrote it, paths of one machine, and registries other than npm's own.
// Patterns are put together from halves, so that this file does not find itself.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding, Repository } from './source-files.ts';

const joined = (...parts: string[]) => parts.join('');

/** Pattern → what is wrong with it. Roles named "assistant" and sessions of a runtime are ordinary words here. */
const BANNED: [RegExp, string][] = [
  [
    new RegExp(joined('\\bcla', 'ude\\b|\\banthro', 'pic\\b|\\bchat', 'gpt\\b|\\bcop', 'ilot\\b'), 'i'),
    'names a writing tool',
  ],
  [
    new RegExp(
      joined('\\b(ai|coding|sub)[ -]?ag', 'ents?\\b|\\bai assis', 'tants?\\b|\\blanguage model wrote'),
      'i',
    ),
    'speaks of who wrote it',
  ],
  [
    new RegExp(
      joined(
        '\\b(this|another|earlier|previous|last|next|my|our) (work(ing)? )?ses',
        'sion\\b(?! (is|of|file|on) )',
      ),
      'i',
    ),
    'speaks of a working session',
  ],
  [
    new RegExp(
      joined(
        '\\bthe bri',
        'ef\\b|\\bbri',
        'ef\\.md\\b|\\bthe \\w+ per',
        'son\\b(?=.*\\b(writes|wrote|owns)\\b)',
      ),
      'i',
    ),
    'speaks of how the work was shared out',
  ],
  [
    new RegExp(joined('\\bwork', 'place\\b|\\bissue #?\\d+ (says|asks|wants)\\b|\\bissues sh', 'ow\\b'), 'i'),
    'speaks of where it was made',
  ],
  [
    new RegExp(joined('(^|[\\s\'"`(=:])/wo', 'rk/|(^|[\\s\'"`(=:])/home/\\w+/|/ro', 'ot/'), 'm'),
    'is a path of one machine',
  ],
  [new RegExp(joined('\\bsha', 'red/(assets|reference|design)')), 'is a path outside the project'],
  [new RegExp(joined('co-auth', 'ored-by|generated wi', 'th'), 'i'), 'is a trailer about who wrote it'],
];

/** Beginning of a path → patterns' meanings that it may trip, and why. */
const EXCUSED: Record<string, string[]> = {
  // The one place that knows where the assets may be.
  'test/assets.ts': ['is a path outside the project'],
  // Chat templates quote the system prompts of the models that they are for.
  'packages/factory/src/tokens/': ['speaks of who wrote it', 'names a writing tool'],
};

const BINARY = /\.(png|jpe?g|gif|ico|parquet|safetensors|onnx|gguf|gz|zst|ttf|woff2?|bin|npz)$/;
/** Data is quoted, not said: it keeps its own words. */
const DATA = /(^|\/)(fixtures|data|base|vectors)\/|(^|\/)LICENSE$/;

export function checkWords(repository: Repository): Finding[] {
  const findings: Finding[] = [];
  for (const path of repository.paths) {
    if (BINARY.test(path) || DATA.test(path)) continue;
    if (/(^|\/)(package-lock\.json|\.npmrc)$/.test(path))
      findings.push(...registryFindings(path, repository.read(path)));
    else findings.push(...wordFindings(path, repository.read(path)));
  }
  return [...findings, ...commitFindings(repository.root)];
}

function wordFindings(file: string, text: string): Finding[] {
  const findings: Finding[] = [];
  const excused = Object.keys(EXCUSED)
    .filter((prefix) => file.startsWith(prefix))
    .flatMap((prefix) => EXCUSED[prefix]);
  for (const [pattern, meaning] of BANNED) {
    if (excused.includes(meaning) || !pattern.test(text)) continue;
    for (const [index, line] of text.split('\n').entries()) {
      const found = pattern.exec(line)?.[0].trim();
      if (found) findings.push({ rule: 'words', file, line: index + 1, message: `"${found}" ${meaning}` });
    }
  }
  return findings;
}

function registryFindings(file: string, text: string): Finding[] {
  const findings: Finding[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const host = /^\s*("resolved": "|registry\s*=\s*|@[\w-]+:registry\s*=\s*)https?:\/\/([^/"\s]+)/.exec(
      line,
    )?.[2];
    if (host && host !== 'registry.npmjs.org') {
      findings.push({ rule: 'words', file, line: index + 1, message: `"${host}" is not npm's own registry` });
    }
  }
  return findings;
}

function commitFindings(root: string): Finding[] {
  if (!existsSync(join(root, '.git'))) return [];
  const log = execFileSync('git', ['log', '--format=%h%x00%B%x01'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return log.split('\x01').flatMap((entry) => {
    const [hash, message] = entry.trim().split('\0');
    return message ? wordFindings(`commit ${hash}`, message) : [];
  });
}
