// In: texts, a number of rows and a seed. Out: a JSON Lines file of short rows in English and Chinese, made by a chain of word
// pairs from the texts, with planted faults, and the truth about each: which rows say the same, and what was done to them.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';

/** Shares of all rows. What is left is clean and alone of its kind. */
const SHARES = { exact: 0.12, near: 0.12, mojibake: 0.04, html: 0.04, personal: 0.06, blank: 0.02 } as const;

export type Fault = keyof typeof SHARES | 'none';

export interface Truth {
  /** Per row: rows with the same number say the same. */
  base: Int32Array;
  fault: Fault[];
}

interface Base {
  units: string[];
  joint: string;
  label: string;
}

export async function makeRows(
  path: string,
  texts: { en: string[][]; zh: string[][] },
  count: number,
  seed: number,
): Promise<Truth> {
  const random = seededRandom(`clean-benchmark/${seed}`);
  const chains = { en: chainOf(texts.en), zh: chainOf(texts.zh) };
  const faults: Fault[] = [];
  for (const [fault, share] of Object.entries(SHARES))
    for (let i = 0; i < Math.floor(share * count); i++) faults.push(fault as Fault);
  while (faults.length < count) faults.push('none');
  const order = random.shuffle(faults);

  const base = new Int32Array(count);
  const known: Base[] = [];
  const knownAt: number[] = [];
  const out = createWriteStream(path);
  let piece = '';
  for (let row = 0; row < count; row++) {
    let fault = order[row]!;
    if ((fault === 'exact' || fault === 'near') && known.length === 0) fault = 'none';
    order[row] = fault;
    let text: string;
    let label: string;
    if (fault === 'exact' || fault === 'near') {
      const of = random.int(known.length);
      const one = known[of]!;
      base[row] = knownAt[of]!;
      label = one.label;
      text = fault === 'exact' ? sameText(one, random.int(4)) : nearText(one, random);
    } else {
      const isChinese = random.next() < 0.4;
      const units = walk(isChinese ? chains.zh : chains.en, random, isChinese ? 24 : 14, isChinese ? 44 : 26);
      const one = { units, joint: isChinese ? '' : ' ', label: `intent_${random.int(40)}` };
      base[row] = row;
      label = one.label;
      text = one.units.join(one.joint);
      if (fault === 'none') {
        known.push(one);
        knownAt.push(row);
        // Bases of duplicates need not all rest in memory: the latest are enough.
        if (known.length > 100_000) {
          const gone = random.int(known.length);
          [known[gone], knownAt[gone]] = [known.at(-1)!, knownAt.at(-1)!];
          known.pop();
          knownAt.pop();
        }
      } else text = damaged(text, fault, random);
    }
    piece += `${JSON.stringify({ instruction: text, output: fault === 'blank' && row % 2 ? '' : label })}\n`;
    if (piece.length > 1 << 20) {
      if (!out.write(piece)) await once(out, 'drain');
      piece = '';
    }
  }
  out.end(piece);
  await once(out, 'finish');
  return { base, fault: order };
}

type Random = ReturnType<typeof seededRandom>;

/** Unit → units that follow it. */
function chainOf(sentences: readonly string[][]): { all: string[]; next: Map<string, string[]> } {
  const next = new Map<string, string[]>();
  for (const units of sentences) {
    for (let i = 0; i + 1 < units.length; i++) {
      const list = next.get(units[i]!);
      if (list) list.push(units[i + 1]!);
      else next.set(units[i]!, [units[i + 1]!]);
    }
  }
  return { all: [...next.keys()], next };
}

/** Now and then a unit out of order, so that two walks do not fall into the same rut. */
function walk(
  { all, next }: ReturnType<typeof chainOf>,
  random: Random,
  least: number,
  most: number,
): string[] {
  const length = least + random.int(most - least + 1);
  const units = [all[random.int(all.length)]!];
  while (units.length < length) {
    const after = random.next() < 0.8 ? next.get(units.at(-1)!) : undefined;
    units.push(after ? after[random.int(after.length)]! : all[random.int(all.length)]!);
  }
  return units;
}

function sameText({ units, joint }: Base, how: number): string {
  const text = units.join(joint);
  if (how === 0) return text.toUpperCase();
  if (how === 1) return `  ${text} `;
  if (how === 2) return text.replace(/[a-z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0));
  return text;
}

/** One unit put in, left out or replaced, or punctuation added. */
function nearText({ units, joint }: Base, random: Random): string {
  const at = random.int(units.length);
  const extra =
    joint === '' ? '啊呀呢嘛吧'[random.int(5)]! : ['please', 'really', 'now', 'just'][random.int(4)]!;
  const how = random.int(4);
  if (how === 0) return units.toSpliced(at, 0, extra).join(joint);
  if (how === 1) return units.toSpliced(at, 1).join(joint);
  if (how === 2) return units.with(at, extra).join(joint);
  return `${units.join(joint)} !!!`.replace(joint === '' ? '' : ' ', joint === '' ? '，' : ', ');
}

function damaged(text: string, fault: Fault, random: Random): string {
  const number = (digits: number) => Array.from({ length: digits }, () => random.int(10)).join('');
  switch (fault) {
    case 'mojibake':
      return Buffer.from(`“${text}” – café`, 'utf8').toString('latin1');
    case 'html':
      return `<p>${text.replaceAll(' ', '&nbsp;')}</p><br/>&lt;ok&gt; &amp; more`;
    case 'personal':
      return random.next() < 0.5
        ? `${text} mail user${number(4)}@example.com`
        : `${text} 电话 138${number(8)}`;
    case 'blank':
      return random.next() < 0.5 ? '' : ' \n\t ';
    default:
      return text;
  }
}
