// In: a difference with its interval, and the scale that its neighbours share. Out: a small SVG: the interval as a bar around
// the estimate, beside a line at no difference (a row of a forest plot). Colour is never the only sign: the table has words.
import type { Difference } from '#factory/records/comparison.ts';

const WIDTH = 220;
const HEIGHT = 20;
const GREY = '#8795a1';

export type Effect = 'better' | 'worse' | 'unclear';

/** By the whole interval, and by which way is better. */
export function effectOf({ delta, direction }: Difference): Effect {
  if (delta === null || direction === 'none') return 'unclear';
  const { low, high } = delta.interval;
  if (low > 0) return direction === 'higher' ? 'better' : 'worse';
  if (high < 0) return direction === 'higher' ? 'worse' : 'better';
  return 'unclear';
}

/** The farthest end of any interval from 0, for differences that are drawn on one scale. */
export function scaleOf(differences: readonly Difference[]): number {
  return differences.reduce(
    (far, { delta }) =>
      delta ? Math.max(far, Math.abs(delta.interval.low), Math.abs(delta.interval.high)) : far,
    0,
  );
}

export function intervalPlot(difference: Difference, scale: number): string {
  const { delta } = difference;
  if (delta === null || !(scale > 0) || !Number.isFinite(scale)) return '';
  const x = (value: number) => round(WIDTH / 2 + (value / scale) * (WIDTH / 2 - 6));
  const colour = { better: '#1f7a55', worse: '#b3352b', unclear: GREY }[effectOf(difference)];
  const [low, high, at] = [x(delta.interval.low), x(delta.interval.high), x(delta.value)];
  const middle = HEIGHT / 2;
  return [
    `<svg width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<line x1="${WIDTH / 2}" y1="0" x2="${WIDTH / 2}" y2="${HEIGHT}" stroke="#c5ccd3" stroke-dasharray="2 2"/>`,
    `<line x1="${low}" y1="${middle}" x2="${high}" y2="${middle}" stroke="${colour}" stroke-width="3" stroke-linecap="round"/>`,
    `<circle cx="${at}" cy="${middle}" r="4.5" fill="${colour}"/></svg>`,
  ].join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
