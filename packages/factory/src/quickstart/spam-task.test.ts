import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import {
  buildSpamTask,
  mailPrompt,
  type RawMail,
  readSpamMails,
  SPAM_PACKAGE,
  unrelatedTo,
} from './spam-task.ts';

const WORDS =
  'amber birch cedar delta ember fjord grove heron inlet jetty knoll larch marsh north ocean pines quail river stone tides'.split(
    ' ',
  );

/** A mail whose words no other number shares in the same order. */
function mail(id: string, n: number, text?: string): RawMail {
  const words = Array.from(
    { length: 24 },
    (_, i) => WORDS[(n * 7 + i * (n + 3) + ((i * i * (n + 1)) % 11)) % WORDS.length],
  );
  const body = text ?? `${words.join(' ')} ${WORDS[n % 20]}${WORDS[(n * 3) % 20]}`;
  return {
    id,
    label: id.startsWith('spam') ? 'spam' : 'ham',
    bytes: Buffer.from(`Subject: ${WORDS[n % 20]} ${WORDS[(n >> 2) % 20]}\nX-Spam: yes\n\n${body}\n`),
  };
}

function mails(count: number): RawMail[] {
  return Array.from({ length: count }, (_, i) => mail(`${i % 2 ? 'spam-1' : 'easy-ham-1'}/${i}`, i + 1));
}

const SIZE = { trainRows: 16, testRows: 4, maxPieces: 300 };

describe('buildSpamTask', () => {
  it('keeps both parts balanced, apart, and the same each time', () => {
    const task = buildSpamTask(mails(40), SIZE);
    expect(task.report.acrossSplit).toMatchObject({ exact: 0, near: 0 });
    expect(task.report.test).toEqual({ spam: 2, ham: 2 });
    expect(task.report.train.spam).toBe(task.report.train.ham);
    const ids = [...task.train, ...task.test].map((row) => row.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(buildSpamTask(mails(40), SIZE)).toEqual(task);
  });

  it('keeps one of several near-duplicates, and none where the labels disagree', () => {
    const text = 'win a brand new car in our big summer prize draw, just call this number before friday noon';
    const extra = [
      mail('spam-2/a', 3, text),
      mail('spam-2/b', 3, text.toUpperCase()),
      mail(
        'spam-2/c',
        5,
        'the very same offer of cheap holiday homes by the sea for you and all your friends',
      ),
      mail(
        'hard-ham-1/d',
        5,
        'the very same offer of cheap holiday homes by the sea for you and all your friends',
      ),
    ];
    const plain = buildSpamTask(mails(40), { ...SIZE, trainRows: 100, testRows: 20 });
    const task = buildSpamTask([...mails(40), ...extra], { ...SIZE, trainRows: 100, testRows: 20 });
    expect(task.report.duplicates).toBe(plain.report.duplicates + 1);
    expect(task.report.contradictory).toBe(2);
    const ids = [...task.train, ...task.test].map((row) => row.id);
    expect(ids).toContain('spam-2/a');
    expect(ids).not.toContain('spam-2/b');
    expect(ids).not.toContain('spam-2/c');
  });
});

describe('mailPrompt', () => {
  const prompt = (text: string, max = 200): string => mailPrompt(Buffer.from(text), max);

  it('drops list tags, quotes, addresses and links', () => {
    expect(
      prompt('Subject: [ILUG] Re: disks\n\nSee http://x.org/a?b=c or mail joe@example.com\n> quoted\nBye\n'),
    ).toBe('Subject: Re: disks\n\nSee [link] or mail [email]\nBye');
  });

  it('cuts between words, and never through a surrogate pair', () => {
    expect(prompt(`Subject: a\n\n${'word '.repeat(100)}`, 15)).toMatch(/^Subject: a\n\n(word )+word$/);
    const cut = prompt(`Subject: a\n\n${'😀'.repeat(60)}`, 31);
    expect(cut.isWellFormed()).toBe(true);
    expect(cut).toMatch(/😀$/);
  });

  it('counts signs and digits more than words', () => {
    const words = prompt(`Subject: a\n\n${'word '.repeat(300)}`, 100);
    const signs = prompt(`Subject: a\n\n${'1$2% '.repeat(300)}`, 100);
    expect(signs.length).toBeLessThan(words.length / 2);
  });
});

describe('unrelatedTo', () => {
  it('refuses a text that quotes a held-out mail', () => {
    const { test } = buildSpamTask(mails(40), SIZE);
    const texts = [
      `something else first. ${test[0]!.input} and more after it`,
      'nothing of that kind is written here',
    ];
    expect(unrelatedTo(test, texts)).toEqual([false, true]);
  });
});

const isInstalled = (() => {
  try {
    return createRequire(import.meta.url).resolve(`${SPAM_PACKAGE}/package.json`) !== '';
  } catch {
    return false;
  }
})();

describe.skipIf(!isInstalled)(`the mails of ${SPAM_PACKAGE}`, () => {
  it('make 1,600 rows to learn from and 400 held out, with nothing in both', () => {
    const task = buildSpamTask(readSpamMails());
    expect(task.report).toMatchObject({
      mails: 6046,
      train: { spam: 800, ham: 800 },
      test: { spam: 200, ham: 200 },
      acrossSplit: { exact: 0, near: 0 },
    });
    // The split of the quickstart; the base model never saw its held-out part.
    const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
    const split = JSON.parse(readFileSync(new URL('./split.json', import.meta.url), 'utf8'));
    expect(split).toEqual({ train: ids(task.train), test: ids(task.test) });
    for (const row of task.test) expect(row.input).not.toMatch(/https?:\/\/|^>/m);
  });
});

describe.skipIf(isInstalled)('without the package', () => {
  it('says what to run', () => {
    expect(() => readSpamMails()).toThrow(expect.objectContaining({ code: 'DATA_NOT_FOUND' }));
  });
});
