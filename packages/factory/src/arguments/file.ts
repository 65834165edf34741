// In: the text of a YAML or JSON configuration file. Out: its settings in order, with their lines.
// It does not open the file and does not know which keys exist.
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { FactoryError } from '#factory/errors.ts';
import type { Setting } from './words.ts';

/** A configuration is a page of keys; anything larger is another kind of file. */
const MAX_CHARACTERS = 1_000_000;

export function readSettings(path: string, text: string): Setting[] {
  if (text.length > MAX_CHARACTERS) {
    throw bad(path, `it has ${text.length} characters, at most ${MAX_CHARACTERS} are allowed`);
  }
  const source = text.replace(/^\uFEFF/, '');
  return /\.json$/i.test(path) ? readJson(path, source) : readYaml(path, source);
}

function readJson(path: string, text: string): Setting[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(path, `it is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(path, 'expected one JSON object of keys at the top');
  }
  // JSON is YAML too, and the YAML reader keeps lines and repeated keys. Where it disagrees, JSON.parse decides.
  try {
    return readYaml(path, text);
  } catch {
    return Object.entries(value).map(([key, raw]) => ({ key, raw, where: path }));
  }
}

function readYaml(path: string, text: string): Setting[] {
  const lines = new LineCounter();
  let plain: unknown;
  let contents: unknown;
  let problem: string | undefined;
  try {
    const document = parseDocument(text, {
      uniqueKeys: false,
      merge: true,
      lineCounter: lines,
      logLevel: 'error',
    });
    problem = document.errors[0]?.message.split('\n')[0];
    contents = document.contents;
    plain = problem === undefined ? document.toJS({ maxAliasCount: 100 }) : null;
  } catch (cause) {
    // Aliases without a target or too many of them, and nesting that is too deep.
    throw bad(path, `it is not YAML (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (problem !== undefined) throw bad(path, `it is not YAML (${problem})`);
  if (plain === null || plain === undefined) return [];
  if (!isMap(contents) || typeof plain !== 'object')
    throw bad(path, 'expected one mapping of keys at the top');

  const settings: Setting[] = [];
  const seen = new Set<string>();
  for (const pair of contents.items) {
    if (!isScalar(pair.key) || typeof pair.key.value === 'symbol') continue;
    const name = String(pair.key.value);
    const line = pair.key.range ? lines.linePos(pair.key.range[0]).line : 0;
    const value = pair.value;
    const scalar = isScalar(value) ? value : null;
    seen.add(name);
    settings.push({
      key: name.replaceAll('-', '_'),
      raw: scalar === null ? (plain as Record<string, unknown>)[name] : scalar.value,
      text: scalar?.source,
      where: `${path}, line ${line}`,
    });
  }
  // Keys that came in through a YAML merge (`<<: *base`).
  for (const [name, raw] of Object.entries(plain)) {
    if (!seen.has(name) && name !== '<<') settings.push({ key: name.replaceAll('-', '_'), raw, where: path });
  }
  return settings;
}

function bad(path: string, found: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'ARGS_FILE',
    message: `the configuration file ${path} cannot be used: ${found}`,
    remedy: `Correct ${path} so that it holds one "key: value" per line (YAML) or one JSON object.`,
    cause,
  });
}
