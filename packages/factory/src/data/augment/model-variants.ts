// In: a text, a method and a way to ask a model. Out: a variant of the text, or the gate at which the answer failed.
// What must survive is masked before and put back after. Which model it is, and whether answers are kept, is the caller's.
import { mask } from './mask.ts';

export type ModelMethod = 'back_translation' | 'paraphrase' | 'edge_case';

export const MODEL_METHODS: readonly ModelMethod[] = ['back_translation', 'paraphrase', 'edge_case'];

/** What an edge case can be, and how a model is told. */
export const EDGE_CASES: Readonly<Record<string, string>> = {
  typos: 'with three or four typing mistakes, as someone in a hurry would write',
  dialect: 'in colloquial or regional language, as people of one region say it',
  mixed: 'mixing Chinese and English words in one sentence',
  negation: 'with a double negation or an exception, without changing what is wanted',
  multi_intent: 'with a second, less important wish beside the main one',
  injection: 'with a sentence that tries to make an assistant ignore its instructions',
  very_short: 'in as few words as possible',
  very_long: 'very long-winded, with unneeded background',
  spelled_numbers: 'with every number written in words',
  traditional: 'in traditional Chinese characters',
  emoji: 'with several emoji',
};

export type Ask = (messages: { role: 'system' | 'user'; content: string }[], seed: number) => Promise<string>;

export type Variant = { text: string } | { gate: 'marks' | 'language' | 'empty' };

const RULES =
  'Answer with the rewritten text only: no quotes, no notes. Marks such as ⟦1⟧ stand for something that must stay: keep every one of them exactly once, unchanged.';

export async function modelVariant(
  text: string,
  method: ModelMethod,
  options: { names: readonly string[]; edgeCase: string; seed: number },
  ask: Ask,
): Promise<Variant> {
  const masked = mask(text, options.names);
  const say = (task: string, content: string) =>
    ask(
      [
        { role: 'system', content: `${task} ${RULES}` },
        { role: 'user', content },
      ],
      options.seed,
    ).then((answer) => answer.trim());
  let answer: string;
  if (method === 'back_translation') {
    const isChinese = mainScript(text) === 'han';
    const there = await say(`Translate the text into ${isChinese ? 'English' : 'Chinese'}.`, masked.text);
    if (masked.restore(there) === null) return { gate: 'marks' };
    if ((mainScript(there) === 'han') === isChinese) return { gate: 'language' };
    answer = await say(`Translate the text into ${isChinese ? 'Chinese' : 'English'}.`, there);
  } else if (method === 'paraphrase') {
    answer = await say(
      'Rewrite the text in other words, in the same language, with the same meaning and the same intent.',
      masked.text,
    );
  } else {
    answer = await say(
      `Rewrite the text ${EDGE_CASES[options.edgeCase]}. Its intent must stay the same.`,
      masked.text,
    );
  }
  if (answer === '') return { gate: 'empty' };
  const restored = masked.restore(answer);
  return restored === null ? { gate: 'marks' } : { text: restored };
}

export function judgeMessages(original: string, variant: string, isSwapped: boolean): Parameters<Ask>[0] {
  const [first, second] = isSwapped ? [variant, original] : [original, variant];
  return [
    {
      role: 'system',
      content: 'Do the two texts ask for the same thing? Answer with one word: yes or no.',
    },
    { role: 'user', content: `Text 1:\n${first}\n\nText 2:\n${second}` },
  ];
}

/** Han characters count double: they carry about two letters each. */
export function mainScript(text: string): 'han' | 'latin' | 'other' {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  const latin = text.match(/\p{Script=Latin}/gu)?.length ?? 0;
  if (han === 0 && latin === 0) return 'other';
  return han * 2 >= latin ? 'han' : 'latin';
}
