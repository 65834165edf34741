// In: text, or a cutter of the jieba-rs family. Out: words: as Python's jieba cuts them, or by characters without jieba.
// No dictionary lives here: the cutter is passed in.

/** Each Han character, each run of other letters and digits, and each other character is a word. */
export function hanCharacters(text: string): string[] {
  return text.match(/\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}])+|./gsu) ?? [];
}

/**
 * jieba-rs, and what is built on it, keeps `SHA-256` whole, because the dot in its pattern for decimals stands for any
 * character; Python's jieba cuts it into `SHA`, `-`, `256`. Cutting there first makes both give the same words.
 */
export function pythonJieba(cut: (text: string) => string[]): (text: string) => string[] {
  return (text) =>
    text
      .split(/(?<=[a-zA-Z0-9])([-+#&_%])(?=\d)/)
      .filter((part) => part !== '')
      .flatMap(cut);
}
