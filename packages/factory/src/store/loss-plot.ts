// In: the log history of a run. Out: an SVG with its loss, evaluation loss and learning rate over the steps, the same as
// PNG, and both as files under LLaMA-Factory's names. Deterministic and offline: the font comes with the package.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { LogEntry } from '#factory/records/train-events.ts';
import { writeAtomic } from './atomic-file.ts';
import { type Axis, axis } from './plot-axis.ts';

export interface LossPlotOptions {
  title: string;
  /** Below the title: model, method, data. */
  subtitle?: string;
  /** The step whose weights were chosen, marked on the evaluation curve. */
  bestStep?: number | null;
}

type Point = [step: number, value: number];

const WIDTH = 1120;
const HEIGHT = 660;
const INK = '#1f2933';
const MUTED = '#66727f';
const GRID = '#e6eaee';
const BLUE = '#2f6fb7';
const ORANGE = '#d9742b';
const GREEN = '#2a8f6d';

/** The main panel has the loss, raw and smoothed, with the evaluation loss; a lower strip has the learning rate. */
export function lossPlot(history: LogEntry[], options: LossPlotOptions): { svg: string } {
  const loss = series(history, 'loss');
  const evalLoss = series(history, 'eval_loss');
  const rate = series(history, 'learning_rate');
  const steps = [...loss, ...evalLoss, ...rate].map(([step]) => step);
  const x = axis(steps, { from: 84, to: WIDTH - 36, ticks: 10, roundOut: false, integers: true });
  const hasRate = rate.length > 0;
  const bottom = HEIGHT - 62;
  const split = hasRate ? bottom - 150 : bottom;

  const curves: Curve[] = [
    { label: 'loss per log step', points: loss, color: BLUE, opacity: 0.32, width: 1.4 },
    { label: 'smoothed loss', points: smooth(loss), color: BLUE, width: 2.6 },
    { label: 'evaluation loss', points: evalLoss, color: ORANGE, width: 2.4, dots: true },
  ].filter((curve) => curve.points.length > 0);
  const y = axis(clipSpike([...loss, ...evalLoss]), {
    from: split - (hasRate ? 28 : 0),
    to: 116,
    ticks: 6,
    roundOut: true,
  });
  const parts = [heading(options), legend(curves), panel('loss', curves, x, y, !hasRate)];
  if (hasRate) {
    const values = [0, ...rate.map(([, value]) => value)];
    const yRate = axis(values, { from: bottom, to: split + 8, ticks: 3, roundOut: true });
    parts.push(
      panel(
        'learning rate',
        [{ label: 'learning rate', points: rate, color: GREEN, width: 2 }],
        x,
        yRate,
        true,
      ),
    );
  }
  if (loss.length === 0 && evalLoss.length === 0) {
    parts.push(text(WIDTH / 2, 250, 'No loss was logged', { size: 17, fill: MUTED, anchor: 'middle' }));
  }
  const best = evalLoss.find(([step]) => step === options.bestStep);
  if (best) parts.push(bestMark(best, x, y));
  return { svg: document(parts) };
}

/** The evaluation loss alone, as LLaMA-Factory's second picture; null where nothing was evaluated. */
export function evalLossPlot(history: LogEntry[], options: LossPlotOptions): { svg: string } | null {
  const points = series(history, 'eval_loss');
  if (points.length === 0) return null;
  const steps = points.map(([step]) => step);
  const x = axis(steps, { from: 84, to: WIDTH - 36, ticks: 10, roundOut: false, integers: true });
  const y = axis(
    points.map(([, value]) => value),
    { from: HEIGHT - 62, to: 116, ticks: 6, roundOut: true },
  );
  const curves: Curve[] = [{ label: 'evaluation loss', points, color: ORANGE, width: 2.4, dots: true }];
  const parts = [heading(options), legend(curves), panel('evaluation loss', curves, x, y, true)];
  const best = points.find(([step]) => step === options.bestStep);
  if (best) parts.push(bestMark(best, x, y));
  return { svg: document(parts) };
}

/** Renders at twice the SVG's size. Loads the renderer (a native module) only when called. */
export async function renderPng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js');
  const fonts = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    background: '#ffffff',
    font: {
      fontFiles: [join(fonts, 'DejaVuSans.ttf'), join(fonts, 'DejaVuSans-Bold.ttf')],
      // The package's font has no Chinese, Japanese or Korean; only a title in these may use the machine's own.
      loadSystemFonts: /[\u2e80-\uffef]/.test(svg),
      defaultFontFamily: 'DejaVu Sans',
    },
  });
  return image.render().asPng();
}

/** Writes `training_loss.{png,svg}`, and `training_eval_loss.{png,svg}` if there was an evaluation; returns the paths. */
export async function writeLossPlots(
  outputDir: string,
  history: LogEntry[],
  options: LossPlotOptions,
): Promise<string[]> {
  const evaluation = evalLossPlot(history, options);
  const plots: [string, string][] = [['training_loss', lossPlot(history, options).svg]];
  if (evaluation) plots.push(['training_eval_loss', evaluation.svg]);
  const written: string[] = [];
  for (const [name, svg] of plots) {
    const [png, source] = [join(outputDir, `${name}.png`), join(outputDir, `${name}.svg`)];
    await writeAtomic(source, svg);
    await writeAtomic(png, await renderPng(svg));
    written.push(png, source);
  }
  return written;
}

/** LLaMA-Factory's smoothing: an exponential mean whose weight 1.8·(σ(0.05·n) − 0.5) grows with the number of points. */
export function smooth(points: readonly Point[]): Point[] {
  const weight = 1.8 * (1 / (1 + Math.exp(-0.05 * points.length)) - 0.5);
  let last = points[0]?.[1] ?? 0;
  return points.map(([step, value]) => {
    last = last * weight + (1 - weight) * value;
    return [step, last];
  });
}

function series(history: LogEntry[], key: string): Point[] {
  return history.filter((entry) => Number.isFinite(entry[key])).map((entry) => [entry.step, entry[key]]);
}

/** Values for the y axis: a lone spike far above the rest must not flatten the curve, so it is cut off at the top. */
function clipSpike(points: readonly Point[]): number[] {
  const values = points.map(([, value]) => value).sort((a, b) => a - b);
  if (values.length < 20) return values;
  const [median, high] = [values[values.length >> 1], values[Math.floor(values.length * 0.98)]];
  const limit = high + 2 * (high - values[0]) + 0.1 * Math.abs(median);
  return values.filter((value) => value <= limit);
}

interface Curve {
  label: string;
  points: Point[];
  color: string;
  width: number;
  opacity?: number;
  dots?: boolean;
}

function panel(title: string, curves: Curve[], x: Axis, y: Axis, hasSteps: boolean): string {
  const [left, right] = [x.toPixel(x.min), x.toPixel(x.max)];
  const [top, bottom] = [y.toPixel(y.max), y.toPixel(y.min)];
  const out: string[] = [];
  for (const { at, label } of y.ticks) {
    const pixel = y.toPixel(at);
    out.push(line(left, pixel, right, pixel, GRID));
    out.push(text(left - 10, pixel + 4, label, { size: 12, fill: MUTED, anchor: 'end' }));
  }
  for (const { at, label } of x.ticks) {
    const pixel = x.toPixel(at);
    out.push(line(pixel, bottom, pixel, bottom + 5, MUTED));
    if (hasSteps) out.push(text(pixel, bottom + 21, label, { size: 12, fill: MUTED, anchor: 'middle' }));
  }
  out.push(line(left, bottom, right, bottom, MUTED));
  if (hasSteps)
    out.push(text((left + right) / 2, bottom + 44, 'step', { size: 13, fill: INK, anchor: 'middle' }));
  const middle = (top + bottom) / 2;
  out.push(
    `<g transform="rotate(-90 24 ${round(middle)})">${text(24, middle, title, { size: 13, fill: INK, anchor: 'middle' })}</g>`,
  );
  const clip = `clip-${title.replaceAll(' ', '-')}`;
  out.push(
    `<clipPath id="${clip}"><rect x="${round(left - 2)}" y="${round(top - 2)}" width="${round(right - left + 4)}" height="${round(bottom - top + 4)}"/></clipPath>`,
  );
  out.push(`<g clip-path="url(#${clip})">${curves.map((curve) => polyline(curve, x, y)).join('')}</g>`);
  for (const curve of curves) if (curve.dots || curve.points.length === 1) out.push(dots(curve, x, y));
  return out.join('\n');
}

function polyline({ points, color, width, opacity = 1 }: Curve, x: Axis, y: Axis): string {
  const path = points
    .map(([step, value]) => `${round(x.toPixel(step))},${round(y.toPixel(value))}`)
    .join(' ');
  return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="${width}" stroke-opacity="${opacity}" stroke-linejoin="round" stroke-linecap="round"/>`;
}

function dots({ points, color }: Curve, x: Axis, y: Axis): string {
  // Many evaluations would run into one thick line.
  if (points.length > 60) return '';
  return points
    .filter(([, value]) => value <= y.max)
    .map(([step, value]) => circle(x.toPixel(step), y.toPixel(value), 4, '#ffffff', color))
    .join('');
}

function bestMark([step, value]: Point, x: Axis, y: Axis): string {
  const [px, py] = [x.toPixel(step), y.toPixel(value)];
  const isRight = px > WIDTH - 150;
  const label = text(px + (isRight ? 6 : 0), py - 18, `best ${shortNumber(value)} at step ${step}`, {
    size: 12,
    fill: ORANGE,
    anchor: isRight ? 'end' : 'middle',
    bold: true,
    halo: true,
  });
  return circle(px, py, 6, ORANGE, '#ffffff') + label;
}

function heading({ title, subtitle }: LossPlotOptions): string {
  const main = text(84, 40, fit(title, 60), { size: 21, fill: INK, bold: true });
  return subtitle ? `${main}\n${text(84, 64, fit(subtitle, 120), { size: 13, fill: MUTED })}` : main;
}

/** One row under the heading, each entry with its last value. */
function legend(curves: Curve[]): string {
  const out: string[] = [];
  let left = 84;
  for (const { label, points, color, width, opacity, dots: hasDots } of curves) {
    const words = `${label} ${shortNumber(points[points.length - 1][1])}`;
    const stroke = `stroke="${color}" stroke-width="${width}" stroke-opacity="${opacity ?? 1}"`;
    out.push(`<line x1="${left}" y1="86" x2="${left + 26}" y2="86" ${stroke}/>`);
    if (hasDots) out.push(circle(left + 13, 86, 4, '#ffffff', color));
    out.push(text(left + 34, 90.5, words, { size: 12.5, fill: INK }));
    // DejaVu Sans at 12.5 px takes about 7.1 px a character.
    left = Math.round(left + 34 + words.length * 7.1 + 26);
  }
  return out.join('\n');
}

function document(parts: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="'DejaVu Sans', Verdana, sans-serif">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

interface TextStyle {
  size: number;
  fill: string;
  anchor?: 'start' | 'middle' | 'end';
  bold?: boolean;
  /** A white outline, so that the words stay readable over a curve. */
  halo?: boolean;
}

function text(
  x: number,
  y: number,
  words: string,
  { size, fill, anchor = 'start', bold, halo }: TextStyle,
): string {
  const weight = bold ? ' font-weight="bold"' : '';
  const attributes = `x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}"${weight}`;
  const outline = `<text ${attributes} fill="none" stroke="#ffffff" stroke-width="4">${escapeXml(words)}</text>`;
  return `${halo ? outline : ''}<text ${attributes} fill="${fill}">${escapeXml(words)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${color}"/>`;
}

function circle(x: number, y: number, radius: number, fill: string, stroke: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${fill}" stroke="${stroke}" stroke-width="2"/>`;
}

function fit(words: string, limit: number): string {
  return words.length <= limit ? words : `${words.slice(0, limit - 1)}…`;
}

function shortNumber(value: number): string {
  return Math.abs(value) < 1e-3 && value !== 0
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Escapes markup and drops the control characters, which XML forbids. */
function escapeXml(words: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return words.replace(/\p{Cc}/gu, '').replace(/[&<>"]/g, (c) => entities[c]);
}
