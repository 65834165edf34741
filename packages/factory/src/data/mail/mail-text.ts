// In: a raw e-mail as bytes. Out: its subject and readable body as plain text.
// Headers other than the subject never reach the text. Attachments, forwards and encrypted parts are skipped.
import { htmlToText } from './html-text.ts';

export interface MailText {
  subject: string;
  body: string;
}

interface Part {
  /** Header values by lower-case name; the first of each name counts. */
  headers: Map<string, string>;
  /** One character per byte. */
  body: string;
}

/** Deeper nesting than this is hostile or broken. */
const MAX_DEPTH = 8;
/** A plain-text part with fewer letters is a stub beside the real HTML part. */
const MIN_LETTERS = 20;

export function mailText(raw: Uint8Array): MailText {
  const mail = splitPart(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1'));
  const found: { plain: string[]; html: string[] } = { plain: [], html: [] };
  collectText(mail, 0, found);
  const plain = found.plain.find((text) => letters(text) >= MIN_LETTERS);
  const html = found.html.find((text) => letters(text) >= MIN_LETTERS);
  const body = plain ?? html ?? found.plain[0] ?? found.html[0] ?? '';
  return { subject: tidy(decodeWords(mail.headers.get('subject') ?? '')), body: tidy(body) };
}

function collectText(part: Part, depth: number, found: { plain: string[]; html: string[] }): void {
  const type = part.headers.get('content-type') ?? 'text/plain';
  const kind = type.split(';', 1)[0]!.trim().toLowerCase();
  const boundary = boundaryOf(type, part.body);
  if (boundary !== null && !kind.startsWith('message/')) {
    if (depth >= MAX_DEPTH) return;
    for (const piece of splitMultipart(part.body, boundary)) collectText(splitPart(piece), depth + 1, found);
    return;
  }
  if (/^attachment/i.test(part.headers.get('content-disposition') ?? '')) return;
  const isHtml = kind === 'text/html';
  // Broken mails declare `text`, nothing at all, or multipart without a boundary: read them as plain text.
  if (!isHtml && !/^(text($|\/plain)|multipart\/|$)/.test(kind)) return;
  const text = decodeBytes(transferDecoded(part), parameter(type, 'charset'));
  if (isHtml || /^\s*(<!doctype html|<html)/i.test(text)) found.html.push(htmlToText(text));
  else found.plain.push(text);
}

/** Splits at the first blank line and unfolds headers. A leading mbox `From ` line is not a header. */
function splitPart(text: string): Part {
  const normal = text.replace(/\r\n?/g, '\n').replace(/^\n*From [^\n]*\n/, '');
  const end = normal.startsWith('\n') ? 0 : normal.indexOf('\n\n');
  const head = end < 0 ? normal : normal.slice(0, end);
  const body = end < 0 ? '' : normal.slice(end).replace(/^\n{1,2}/, '');
  const headers = new Map<string, string>();
  for (const line of head.replace(/\n[ \t]+/g, ' ').split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return { headers, body };
}

/** The declared boundary where the body holds it, else the first line that can only be one, else null. */
function boundaryOf(type: string, body: string): string | null {
  const declared = parameter(type, 'boundary');
  if (declared !== null && `\n${body}`.includes(`\n--${declared}`)) return declared;
  return /^--(\S.*)\ncontent-type:/im.exec(body)?.[1] ?? null;
}

function splitMultipart(body: string, boundary: string): string[] {
  const pieces = `\n${body}`.split(`\n--${boundary}`);
  const parts: string[] = [];
  for (const piece of pieces.slice(1)) {
    if (piece.startsWith('--')) break;
    parts.push(piece.replace(/^[^\n]*\n/, ''));
  }
  return parts;
}

function parameter(header: string, name: string): string | null {
  const match = new RegExp(`;\\s*${name}\\s*=\\s*("([^"]*)"|[^\\s;]+)`, 'i').exec(header);
  return match ? (match[2] ?? match[1]!) : null;
}

function transferDecoded(part: Part): Uint8Array {
  const encoding = (part.headers.get('content-transfer-encoding') ?? '').trim().toLowerCase();
  if (encoding === 'base64') return Buffer.from(part.body, 'base64');
  if (encoding === 'quoted-printable') return quotedPrintable(part.body);
  return Buffer.from(part.body, 'latin1');
}

function quotedPrintable(text: string): Uint8Array {
  const plain = text
    .replace(/=[ \t]*\n/g, '')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}

/** RFC 2047 encoded words; white space between two of them is dropped. */
function decodeWords(header: string): string {
  const joined = header.replace(/(\?=)\s+(?==\?)/g, '$1');
  let decoded = '';
  let last = 0;
  for (const match of joined.matchAll(/=\?([^?\s]+)\?([bq])\?([^?]*)\?=/gi)) {
    const [whole, charset, kind, payload] = match as unknown as [string, string, string, string];
    decoded += decodeBytes(Buffer.from(joined.slice(last, match.index), 'latin1'), null);
    const bytes =
      kind.toLowerCase() === 'b'
        ? Buffer.from(payload, 'base64')
        : quotedPrintable(payload.replace(/_/g, ' '));
    decoded += decodeBytes(bytes, charset);
    last = match.index + whole.length;
  }
  return decoded + decodeBytes(Buffer.from(joined.slice(last), 'latin1'), null);
}

/** The declared charset where it is one; else UTF-8 where the bytes are valid, else Windows-1252. */
function decodeBytes(bytes: Uint8Array, charset: string | null): string {
  if (charset !== null && !/^(us-)?ascii$/i.test(charset)) {
    try {
      return new TextDecoder(charset).decode(bytes);
    } catch {
      // An unknown name, such as DEFAULT_CHARSET: guess below.
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** One form for line ends and white space; control and zero-width characters go. */
function tidy(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\t\u00a0\u3000]/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\ufffd]/gu, (c) => (c === '\n' ? c : ''))
    .replace(/ {2,}/g, ' ')
    .replace(/ *\n */g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function letters(text: string): number {
  return text.match(/\p{L}/gu)?.length ?? 0;
}
