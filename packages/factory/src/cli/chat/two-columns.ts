// In: two answers as they come, and the width of the terminal. Out: lines with both side by side, each as soon as it is certain on
// both sides, so that nothing that was written must be written again.
import { widthOf } from '../columns.ts';

const BETWEEN = ' | ';

export interface TwoColumns {
  add(side: 0 | 1, text: string): string;
  /** No more text comes on this side. */
  end(side: 0 | 1): string;
}

export function twoColumns(columns: number): TwoColumns {
  const width = Math.max(10, Math.floor((columns - BETWEEN.length) / 2));
  const sides = [newSide(), newSide()] as const;
  let shown = 0;

  /** Lines that both sides have; one that has ended has empty ones. */
  function ready(): string {
    let out = '';
    for (;;) {
      const cells = sides.map((side) => side.lines[shown] ?? (side.isOver ? '' : null));
      const [left, right] = cells;
      if (left === null || right === null) return out;
      if (sides.every(({ lines }) => shown >= lines.length)) return out;
      out += `${left}${' '.repeat(Math.max(0, width - widthOf(left as string)))}${BETWEEN}${right}`.trimEnd();
      out += '\n';
      shown++;
    }
  }

  return {
    add(at, text) {
      const side = sides[at];
      side.open += text;
      const lines = wrap(side.open, width);
      // The last line may still grow.
      side.open = lines.pop() as string;
      side.lines.push(...lines);
      return ready();
    },
    end(at) {
      const side = sides[at];
      if (side.open !== '') side.lines.push(side.open);
      side.open = '';
      side.isOver = true;
      return ready();
    },
  };
}

const newSide = () => ({ lines: [] as string[], open: '', isOver: false });

/** Lines of at most `width` cells, broken between words where there are some. The last one is what is left. */
function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    let rest = line;
    for (;;) {
      const end = fitting(rest, width);
      if (end === rest.length) break;
      const space = rest.lastIndexOf(' ', end);
      const cut = space > 0 ? space : end;
      out.push(rest.slice(0, cut));
      rest = rest.slice(space > 0 ? cut + 1 : cut);
    }
    if (i < lines.length - 1) out.push(rest);
    else return [...out, rest];
  }
  return out;
}

/** How many characters of `text` fit, whole ones. */
function fitting(text: string, width: number): number {
  let used = 0;
  let at = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width) return Math.max(at, 1);
    at += character.length;
  }
  return at;
}
