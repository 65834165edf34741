// In: a Han character. Out: other common characters that sound the same: what a pinyin keyboard offers beside it.
// The table is made from the 3,755 characters of GB 2312 level 1 when it is first asked for.
import { pinyin } from 'pinyin-pro';

let table: { soundOf: Map<string, string>; alike: Map<string, string[]> } | null = null;

export function homophones(character: string): string[] {
  table ??= makeTable();
  const sound = table.soundOf.get(character);
  return sound === undefined ? [] : table.alike.get(sound)!.filter((other) => other !== character);
}

function makeTable() {
  const bytes: number[] = [];
  for (let row = 0xb0; row <= 0xd7; row++)
    for (let cell = 0xa1; cell <= (row === 0xd7 ? 0xf9 : 0xfe); cell++) bytes.push(row, cell);
  const characters = [...new TextDecoder('gbk').decode(Uint8Array.from(bytes))];
  const soundOf = new Map<string, string>();
  const alike = new Map<string, string[]>();
  for (const character of characters) {
    const sounds = pinyin(character, { type: 'array', multiple: true });
    // A character with several readings may sound otherwise where it stands.
    if (new Set(sounds).size !== 1) continue;
    soundOf.set(character, sounds[0]!);
    const list = alike.get(sounds[0]!);
    if (list) list.push(character);
    else alike.set(sounds[0]!, [character]);
  }
  return { soundOf, alike };
}
