// In: events of a cleaning run. Out: one live line on a terminal, a line every few seconds elsewhere, or JSON lines.
import type { CleanEvent } from '#factory/pipeline/clean-deps.ts';
import type { Console } from '../console.ts';
import { formatBytes, formatCount, formatDuration } from '../progress.ts';

/** Live lines are redrawn this often at most; plain ones come more rarely. */
const LIVE_MS = 100;
const PLAIN_MS = 5_000;

export interface CleanProgressDeps {
  json: boolean;
  terminal: Console;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

export function cleanProgress({ json, terminal, now }: CleanProgressDeps) {
  let step = '';
  let startedAt = 0;
  let startedDone = 0;
  let shownAt = Number.NEGATIVE_INFINITY;
  let isLive = false;

  const close = () => {
    if (isLive) terminal.err('\n');
    isLive = false;
  };
  const line = (text: string) => {
    if (!terminal.errIsTty) {
      terminal.err(`${text}\n`);
      return;
    }
    terminal.err(`\r\u001b[2K${text.slice(0, terminal.columns - 1)}`);
    isLive = true;
  };
  return {
    close,
    message(text: string): void {
      close();
      terminal.err(`${text}\n`);
    },
    show(event: CleanEvent): void {
      if (event.kind === 'deciding') {
        close();
        terminal.err(json ? `${JSON.stringify(event)}\n` : 'deciding, exporting, reading the export back\n');
        return;
      }
      if (event.kind === 'start') {
        if (json) terminal.err(`${JSON.stringify(event)}\n`);
        else {
          const from = event.resumedFrom > 0 ? `, going on after row ${formatCount(event.resumedFrom)}` : '';
          terminal.err(`reading ${event.files} files, ${formatBytes(event.bytes)}${from}\n`);
        }
        return;
      }
      const at = now();
      if (event.step !== step) {
        close();
        [step, startedAt, startedDone, shownAt] = [event.step, at, event.done, Number.NEGATIVE_INFINITY];
      }
      const isLast = event.total !== null && event.done >= event.total;
      if (at - shownAt < (terminal.errIsTty && !json ? LIVE_MS : PLAIN_MS) && !isLast) return;
      shownAt = at;
      const rate = at > startedAt ? ((event.done - startedDone) / (at - startedAt)) * 1000 : 0;
      if (json) {
        terminal.err(`${JSON.stringify({ ...event, rowsPerSecond: Math.round(rate) })}\n`);
        return;
      }
      line(progressLine(event, rate));
    },
  };
}

/** Rows, share, speed and time left; what is not known is left out. */
export function progressLine(
  { step, done, total }: Extract<CleanEvent, { kind: 'progress' }>,
  rowsPerSecond: number,
): string {
  const parts = [
    `${step} ${formatCount(done)}${total === null ? '' : `/${formatCount(Math.max(total, done))}`} rows`,
  ];
  if (rowsPerSecond > 0) {
    parts.push(`${formatCount(rowsPerSecond)} rows/s`);
    if (total !== null) parts.push(`${formatDuration(Math.max(0, total - done) / rowsPerSecond)} left`);
  }
  return parts.join('  ');
}
