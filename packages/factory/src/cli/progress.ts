// In: the events of a training run. Out: one live line on a terminal, plain lines elsewhere, or one JSON object per event.
// The formatting functions are pure; only `line` writes.
import type { LogEntry, TrainEvent } from '#factory/records/train-events.ts';

export interface ProgressDeps {
  json: boolean;
  isTty: boolean;
  columns(): number;
  /** Writes text as it is; line ends are part of it. */
  line(text: string): void;
}

export interface Progress {
  show(event: TrainEvent): void;
  /** A line of its own, above the live line. */
  message(text: string): void;
  close(): void;
}

type StepEvent = Extract<TrainEvent, { kind: 'step' }>;

/** Speed is averaged over this many last steps. */
const WINDOW = 20;

const CLEAR_LINE = '\r\u001b[2K';

export function createProgress(deps: ProgressDeps): Progress {
  const recent: StepEvent[] = [];
  let live = '';

  const print = (text: string) => {
    if (live !== '') deps.line(CLEAR_LINE);
    deps.line(`${text}\n`);
    if (live !== '') deps.line(live);
  };
  const redraw = (text: string) => {
    live = fit(text, deps.columns() - 1);
    deps.line(CLEAR_LINE + live);
  };
  const close = () => {
    if (live !== '') deps.line('\n');
    live = '';
  };

  const show = (event: TrainEvent): void => {
    if (deps.json) {
      deps.line(`${JSON.stringify(event)}\n`);
      return;
    }
    if (event.kind === 'step') {
      recent.push(event);
      if (recent.length > WINDOW) recent.shift();
      if (deps.isTty) redraw(formatStep(event, recent));
      return;
    }
    if (event.kind === 'log' && deps.isTty && !isEvaluation(event.entry)) return;
    if (event.kind === 'evaluate') {
      if (deps.isTty) redraw(`evaluating ${event.done}/${event.total} after step ${event.step}`);
      return;
    }
    if (event.kind === 'end') close();
    const text = formatEvent(event, recent);
    if (text !== null) print(text);
  };

  return {
    show,
    message(text) {
      if (deps.json) deps.line(`${JSON.stringify({ kind: 'note', text })}\n`);
      else print(text);
    },
    close,
  };
}

/** The text of an event that gets a line of its own, or null when it has none. */
export function formatEvent(event: TrainEvent, recent: readonly StepEvent[]): string | null {
  switch (event.kind) {
    case 'start': {
      const from = event.resumedFrom > 0 ? `, going on after step ${formatCount(event.resumedFrom)}` : '';
      const share = (100 * event.trainableParameters) / Math.max(1, event.allParameters);
      const trained = `${formatCount(event.trainableParameters)} of ${formatCount(event.allParameters)} parameters (${share.toFixed(2)} %)`;
      return `training ${trained} for ${formatCount(event.totalSteps)} steps, ${trim(event.totalEpochs)} epochs${from}`;
    }
    case 'log': {
      const last = recent.at(-1);
      if (isEvaluation(event.entry) || last === undefined) return formatEntry(event.entry);
      const line = formatStep({ ...last, ...measured(event.entry, last) }, recent);
      const { reward } = event.entry as Record<string, number | undefined>;
      return reward === undefined ? line : `${line}  reward ${formatLoss(reward)}`;
    }
    case 'sample':
      return `sample after step ${event.step}\n  > ${indent(event.prompt)}\n  < ${indent(event.text)}`;
    case 'checkpoint':
      return `saved ${event.path}`;
    case 'note':
      return `note: ${event.text}`;
    case 'end':
      return `training ${{ finished: 'finished', interrupted: 'was stopped', early: 'stopped early' }[event.stopped]} at step ${formatCount(event.step)}`;
    case 'step':
    case 'evaluate':
      return null;
  }
}

/** Step, loss, learning rate, gradient norm, speed, memory and time left, in one line. */
export function formatStep(event: StepEvent, recent: readonly StepEvent[]): string {
  const seconds = recent.reduce((sum, one) => sum + one.seconds, 0);
  const tokens = recent.reduce((sum, one) => sum + one.tokens, 0);
  const perStep = recent.length === 0 ? 0 : seconds / recent.length;
  const left = Math.max(0, event.totalSteps - event.step) * perStep;
  return [
    `step ${event.step}/${event.totalSteps}`,
    `epoch ${event.epoch.toFixed(2)}`,
    `loss ${formatLoss(event.loss)}`,
    `lr ${formatRate(event.learningRate)}`,
    `grad ${formatLoss(event.gradNorm)}`,
    `${formatCount(seconds > 0 ? Math.round(tokens / seconds) : 0)} tok/s`,
    formatBytes(event.rssBytes),
    `${formatDuration(left)} left`,
  ].join('  ');
}

/** An evaluation or final entry: every number with its name. */
export function formatEntry(entry: LogEntry): string {
  const { step, epoch, ...rest } = entry;
  const parts = Object.entries(rest).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : formatLoss(value)}`,
  );
  return [`step ${step}`, `epoch ${Number(epoch).toFixed(2)}`, ...parts].join('  ');
}

/** h:mm:ss; unknown or endless times are `-:--:--`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-:--:--';
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  return `${Math.floor(whole / 3600)}:${String(minutes).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
}

/** Decimal units, as disks and `ls` use: 1 GB = 10^9 bytes. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return '? B';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let at = 0;
  while (at < units.length - 1 && Math.round(value) >= 1000) {
    value /= 1000;
    at += 1;
  }
  return `${at < 3 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function formatCount(value: number): string {
  return Number.isFinite(value)
    ? Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, ',')
    : '?';
}

function formatLoss(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(4);
}

function formatRate(value: number): string {
  return value === 0 ? '0' : value.toExponential(2);
}

function trim(value: number): string {
  return String(Number(value.toFixed(2)));
}

function indent(text: string): string {
  return text.trimEnd().replaceAll('\n', '\n    ');
}

function isEvaluation(entry: LogEntry): boolean {
  return !Object.hasOwn(entry, 'loss');
}

/** The averaged values of a log entry take the place of the last step's. */
function measured(entry: LogEntry, last: StepEvent): Partial<StepEvent> {
  const values = entry as Record<string, number>;
  return {
    step: entry.step,
    epoch: entry.epoch,
    loss: values.loss ?? last.loss,
    gradNorm: values.grad_norm ?? last.gradNorm,
    learningRate: values.learning_rate ?? last.learningRate,
  };
}

/** Cuts a line so that it stays one line; a live line that wraps cannot be redrawn. */
function fit(text: string, columns: number): string {
  return columns > 10 && text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
}
