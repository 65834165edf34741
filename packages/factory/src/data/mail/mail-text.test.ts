import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { htmlToText } from './html-text.ts';
import { mailText } from './mail-text.ts';

const read = (mail: string) => mailText(Buffer.from(mail, 'latin1'));

describe('mailText', () => {
  it('reads a plain mail after the mbox line and keeps no header but the subject', () => {
    const mail = read(
      'From a@b Mon Sep 2\nReceived: from x\n\tby y\nSubject: Lunch\n on Friday\nX-Spam-Flag: YES\n\nAre you free?\r\nBob\n',
    );
    expect(mail).toEqual({ subject: 'Lunch on Friday', body: 'Are you free?\nBob' });
  });

  it('prefers the plain part of a multipart mail', () => {
    const mail = read(
      [
        'Subject: x',
        'Content-Type: multipart/alternative; boundary="=_1"',
        '',
        'preamble',
        '--=_1',
        'Content-Type: text/plain; charset=us-ascii',
        '',
        'The plain words of this mail.',
        '--=_1',
        'Content-Type: text/html',
        '',
        '<b>The HTML words</b>',
        '--=_1--',
        'epilogue',
      ].join('\n'),
    );
    expect(mail.body).toBe('The plain words of this mail.');
  });

  it('takes the HTML part where the plain one is a stub, and skips attachments', () => {
    const mail = read(
      [
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: text/plain',
        '',
        'see',
        '--b',
        'Content-Type: text/html; charset=iso-8859-1',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        '<style>p{}</style><p>Caf=E9 &amp; cakes at half =',
        'price today</p>',
        '--b',
        'Content-Type: text/plain',
        'Content-Disposition: attachment; filename=a.txt',
        '',
        'a long attachment with many words in it',
        '--b--',
      ].join('\n'),
    );
    expect(mail.body).toBe('Café & cakes at half price today');
  });

  it('decodes base64 and encoded subjects in their charsets', () => {
    const body = Buffer.from('你好，世界。这是一封中文邮件，请看下面的内容和价格。').toString('base64');
    const mail = read(
      `Subject: =?utf-8?B?${Buffer.from('春天').toString('base64')}?= =?iso-8859-1?Q?caf=E9_x?=\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${body}\n`,
    );
    expect(mail.subject).toBe('春天café x');
    expect(mail.body).toContain('你好，世界。');
  });

  it('reads 8-bit text as UTF-8 where valid, else as Windows-1252, whatever charset name it carries', () => {
    expect(mailText(Buffer.from('Subject: a\n\nnaïve 中文', 'utf8')).body).toBe('naïve 中文');
    const bytes = Buffer.from(
      'Content-Type: text/plain; charset=DEFAULT_CHARSET\n\nit\x92s \x80 5',
      'latin1',
    );
    expect(mailText(bytes).body).toBe('it’s € 5');
  });

  it('never throws and never leaves control characters, whatever the bytes', () => {
    const line = fc.constantFrom(
      'Content-Type: multipart/mixed; boundary="b"',
      'Content-Type: text/html; charset=utf-16',
      'Content-Transfer-Encoding: base64',
      'Content-Transfer-Encoding: quoted-printable',
      '--b',
      '--b--',
      '',
      'Subject: =?x?B?@@?=',
      '<b =3D &#99999999; &#0;',
      '\u0000\u0007=F',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 25 }), (lines) => {
        const mail = mailText(Buffer.from(lines.join('\n')));
        expect(`${mail.subject}${mail.body}`).not.toMatch(/[^\P{Cc}\n]/u);
      }),
      { numRuns: 500 },
    );
  });

  it('finds the parts of a mail whose header does not announce them', () => {
    const mail = read(
      'Subject: x\n\nThis is a MIME Message\n\n--=_9\nContent-Type: text/plain\n\nWords that a person can read.\n--=_9--\n',
    );
    expect(mail.body).toBe('Words that a person can read.');
  });

  it('gives up on mails nested without end', () => {
    const levels = Array.from(
      { length: 500 },
      (_, i) => `Content-Type: multipart/mixed; boundary=level${i}.\n\n--level${i}.\n`,
    );
    const nested = `${levels.join('')}Content-Type: text/plain\n\ndeep`;
    expect(read(nested).body).toBe('');
  });
});

describe('htmlToText', () => {
  it('breaks lines at blocks, joins words split by inline tags, drops comments and scripts', () => {
    const html = '<p>Vi<!-- x -->ag<b></b>ra</p>\n<script>var a="<p>no</p>"</script><div>now</div>';
    expect(htmlToText(html).split(/\s+/).filter(Boolean)).toEqual(['Viagra', 'now']);
  });
  it('keeps comparisons that are no tags', () => {
    expect(htmlToText('1 < 2 &lt; 3 &#8364; &unknown;')).toBe('1 < 2 < 3 € &unknown;');
  });
});
