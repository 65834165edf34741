// In: the range of some values. Out: an axis: ticks at round numbers (1, 2, 5 × 10^n), their labels, and a scale to pixels.
// Linear axes only; it draws nothing.

export interface Axis {
  min: number;
  max: number;
  ticks: { at: number; label: string }[];
  /** From a value to a pixel between the two ends given. */
  toPixel(value: number): number;
}

export interface AxisOptions {
  /** Pixel of `min` and pixel of `max`. */
  from: number;
  to: number;
  /** About how many ticks. */
  ticks: number;
  /** Widen the range to whole ticks. */
  roundOut: boolean;
  integers?: boolean;
}

export function axis(values: readonly number[], options: AxisOptions): Axis {
  const finite = values.filter(Number.isFinite);
  let low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  let high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  if (finite.length === 0) [low, high] = [0, 1];
  if (high - low <= Math.max(Math.abs(high) * 1e-12, 1e-300)) {
    const margin = Math.abs(high) > 1e-290 ? Math.abs(high) * 0.1 : 1;
    [low, high] = [low - margin, high + margin];
  }
  const step = Math.max(options.integers ? 1 : 0, roundStep((high - low) / options.ticks));
  const min = options.roundOut ? Math.floor(low / step + 1e-9) * step : low;
  const max = options.roundOut ? Math.ceil(high / step - 1e-9) * step : high;
  const ticks: Axis['ticks'] = [];
  for (let n = Math.ceil(min / step - 1e-9); n * step <= max + step * 1e-9; n++) {
    ticks.push({ at: n * step, label: tickLabel(n * step, step) });
  }
  const { from, to } = options;
  return { min, max, ticks, toPixel: (value) => from + ((value - min) / (max - min)) * (to - from) };
}

/** The smallest of 1, 2, 5 × 10^n that is not below `raw`. */
function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** As many digits as the step needs; thousands as `12k`; exponents below 0.001. */
function tickLabel(value: number, step: number): string {
  const size = Math.max(Math.abs(value), step);
  if (Math.abs(value) < step * 1e-6) return '0';
  if (size >= 1e6) return `${trim((value / 1e6).toFixed(2))}M`;
  if (size >= 10_000) return `${trim((value / 1e3).toFixed(1))}k`;
  if (size < 1e-3) {
    const [digits, exponent] = value.toExponential(2).split('e');
    return `${trim(digits)}e${Number(exponent)}`;
  }
  return value.toFixed(Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
}

function trim(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}
