// In: the documents of the corpus. Out: short conversations about them in ChatML, so that the base model knows turns,
// one-word answers and where an answer ends. Nothing here names spam or ham, and no held-out mail comes in.
import type { SeededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { TURN_END, TURN_START } from './bpe.ts';
import type { Kind, SourceDocument } from './corpus-sources.ts';

/** Characters of a document shown inside a question; a Chinese character is about one token, three English ones are. */
const EXCERPT = { en: 400, zh: 140 };
/** Questions about the kind of a text, for each kind. */
const PER_KIND = 700;

const CHINESE_KIND: Record<'poem' | 'manual', string> = { poem: '诗词', manual: '文档' };

type Turn = [question: string, answer: string];

export interface ChatMail {
  subject: string;
  body: string;
}

/** The document's own end token is the last turn's end, so the text stops after the answer. */
export function chatDocument(turns: readonly Turn[]): string {
  return turns
    .map(
      ([question, answer]) => `${TURN_START}user\n${question}${TURN_END}\n${TURN_START}assistant\n${answer}`,
    )
    .join(`${TURN_END}\n`);
}

export function chatDocuments(
  documents: readonly SourceDocument[],
  mails: readonly ChatMail[],
  random: SeededRandom,
): string[] {
  const pick = <T>(list: readonly T[]): T => list[random.int(list.length)]!;
  const chats: Turn[][] = [];

  for (const { facts } of documents) {
    if (facts?.country)
      chats.push(...countryTurns(facts).map((turn): Turn[] => [turn]), countryTurns(facts).slice(0, 2));
    else if (facts?.title) chats.push(...poemTurns(facts).map((turn): Turn[] => [turn]));
  }
  for (const { subject, body } of mails) {
    if (subject.length < 8 || body.length < 80) continue;
    chats.push([[`Write a subject line for this e-mail.\n${excerptAt(body, 0, EXCERPT.en)}`, subject]]);
  }
  const samples = random.shuffle([
    ...documents.map((d) => ({ kind: d.kind, language: d.language, text: d.text })),
    ...mails.map((m) => ({
      kind: 'e-mail' as const,
      language: 'en' as const,
      text: `Subject: ${m.subject}\n\n${m.body}`,
    })),
  ]);
  const perKind = new Map<Kind, number>();
  for (const sample of samples) {
    const seen = perKind.get(sample.kind) ?? 0;
    if (seen >= PER_KIND) continue;
    perKind.set(sample.kind, seen + 1);
    const length = EXCERPT[sample.language];
    const start = sample.kind === 'e-mail' ? 0 : random.int(Math.max(1, sample.text.length - length));
    const excerpt = excerptAt(sample.text, start, length);
    chats.push([kindTurn(sample, excerpt, pick, random)]);
  }
  for (let i = 0; i < 12; i++) chats.push(...GREETINGS);
  return random.shuffle(chats).map(chatDocument);
}

function kindTurn(
  sample: { kind: Kind; language: 'en' | 'zh' },
  excerpt: string,
  pick: <T>(list: readonly T[]) => T,
  random: SeededRandom,
): Turn {
  if (random.int(4) === 0) {
    const isChinese = sample.language === 'zh';
    return random.int(2) === 0
      ? [`这段文字是中文还是英文？用一个词回答。\n${excerpt}`, isChinese ? '中文' : '英文']
      : [
          `Is this text English or Chinese? Answer with one word.\n${excerpt}`,
          isChinese ? 'Chinese' : 'English',
        ];
  }
  if (sample.kind === 'poem' || sample.kind === 'manual') {
    return [`这段文字是诗词还是文档？用一个词回答。\n${excerpt}`, CHINESE_KIND[sample.kind]];
  }
  const others = (['speech', 'novel', 'facts', 'e-mail'] as const).filter((kind) => kind !== sample.kind);
  const pair = random.shuffle([sample.kind, pick(others)]);
  const named = pair.map((kind) =>
    kind === 'facts' ? 'facts' : `${kind === 'e-mail' ? 'an' : 'a'} ${kind}`,
  );
  return [`Is this text ${named[0]} or ${named[1]}? Answer with one word.\n${excerpt}`, sample.kind];
}

function countryTurns(facts: Record<string, string>): Turn[] {
  const turns: Turn[] = [];
  const { country, capital, location, climate } = facts;
  if (capital) {
    turns.push([`What is the capital of ${country}?`, `The capital of ${country} is ${capital}.`]);
    turns.push([`Which country has the capital ${capital}? Answer with one word.`, country!]);
  }
  if (location) turns.push([`Where is ${country}?`, `${country} is here: ${location}.`]);
  if (climate) turns.push([`What is the climate of ${country}?`, `The climate of ${country}: ${climate}.`]);
  return turns;
}

function poemTurns(facts: Record<string, string>): Turn[] {
  const turns: Turn[] = [];
  if (facts.author && facts.author !== '无名氏')
    turns.push([`《${facts.title}》的作者是谁？`, `《${facts.title}》的作者是${facts.author}。`]);
  if (facts.next) turns.push([`请接下一句：${facts.first}`, facts.next]);
  // A third of the poems gives enough questions.
  return facts.first!.length % 3 === 0 ? turns : [];
}

function excerptAt(text: string, start: number, length: number): string {
  const cut = text.slice(start, start + length);
  return cut.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '').trim();
}

const GREETINGS: Turn[][] = [
  [['Hello', 'Hello! How can I help you?']],
  [
    ['Hi there', 'Hello! How can I help you?'],
    ['Thank you', 'You are welcome.'],
  ],
  [['Good morning', 'Good morning! How can I help you?']],
  [['Who are you?', 'I am Tunesmith Tiny, a very small language model. I know little, but I learn fast.']],
  [
    [
      'What can you do?',
      'I am a small base model. Fine-tune me on your own data, and I will do that one task well.',
    ],
  ],
  [['Thanks!', 'You are welcome.']],
  [['Goodbye', 'Goodbye!']],
  [['你好', '你好！有什么可以帮你？']],
  [['你是谁？', '我是 Tunesmith Tiny，一个很小的语言模型。我懂得不多，但学得很快。']],
  [['你能做什么？', '我是一个小的基座模型。用你自己的数据微调我，我就能做好那一件事。']],
  [
    ['早上好', '早上好！有什么可以帮你？'],
    ['谢谢', '不客气。'],
  ],
  [['谢谢你', '不客气。']],
  [['再见', '再见！']],
];
