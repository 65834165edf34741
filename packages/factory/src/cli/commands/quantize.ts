// In: the words after `tunesmith quantize`. Out: a quantised GGUF file with its manifest; progress on stderr, facts on stdout.
import os from 'node:os';
import { readCommandWords } from '#factory/arguments/command-words.ts';
import { FactoryError } from '#factory/errors.ts';
import { quantType } from '#factory/export/quantise/types.ts';
import type { QuantiseProgress } from '#factory/pipeline/quantise-file.ts';
import { type QuantiseResult, quantiseModel } from '#factory/pipeline/quantise-model.ts';
import type { CommandContext } from '../command.ts';
import type { Console } from '../console.ts';
import { stopOnSignals } from '../interrupt.ts';
import { formatBytes, formatDuration } from '../progress.ts';
import { QUANTIZE_KEYS } from '../quantize-keys.ts';

const USAGE = 'Write "tunesmith quantize IN.gguf OUT.gguf --type Q4_K_M".';

export async function quantize({ words, json, terminal, env }: CommandContext): Promise<number> {
  const { things, options } = readCommandWords(words, QUANTIZE_KEYS, 'tunesmith quantize');
  const wish = options as { type: string | null; allow_requantize: boolean; threads: number };
  // llama-quantize takes the type as a third word.
  const [input, output, word = wish.type, ...more] = things;
  if (input === undefined || output === undefined || more.length > 0)
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith quantize: expected a source and an output file, found ${things.join(' ') || 'none'}`,
      remedy: USAGE,
    });
  if (word === null || word === undefined)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'tunesmith quantize: type is missing',
      remedy: USAGE,
    });
  if (things.length === 3 && wish.type !== null)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `tunesmith quantize: expected one type, found ${things[2]} and --type ${wish.type}`,
      remedy: USAGE,
    });
  const type = quantType(word);
  const progress = quantiseProgress(terminal, json, () => performance.now());
  const stop = stopOnSignals(() => progress.message('stopping (Ctrl-C again stops at once)'));
  try {
    const result = await quantiseModel(
      {
        input,
        output,
        type,
        allowRequantize: wish.allow_requantize,
        threads: wish.threads || os.availableParallelism(),
      },
      {
        env,
        signal: stop.signal,
        note: (text) => progress.message(`note: ${text}`),
        progress: (event) => progress.show(event),
      },
    );
    progress.close();
    terminal.out(json ? `${JSON.stringify(result)}\n` : resultText(result));
    return 0;
  } catch (error) {
    progress.close();
    if (!(error instanceof FactoryError && error.code === 'EXPORT_INTERRUPTED')) throw error;
    terminal.err(`${error.message}\n`);
    return 130;
  } finally {
    progress.close();
    stop.dispose();
  }
}

function resultText({ output, type, bytes, sourceBytes, bitsPerWeight, tensors }: QuantiseResult): string {
  const counts = Object.entries(tensors).map(([name, count]) => `${count} ${name}`);
  return [
    `${output}: ${type}, ${formatBytes(bytes)} of ${formatBytes(sourceBytes)}, ${bitsPerWeight.toFixed(2)} bits per weight`,
    `tensors: ${counts.join(', ')}`,
    `check it later: tunesmith export verify ${output}`,
    '',
  ].join('\n');
}

/** Live lines are redrawn this often at most; plain ones come more rarely. */
const LIVE_MS = 100;
const PLAIN_MS = 5_000;

function quantiseProgress(terminal: Console, json: boolean, now: () => number) {
  const startedAt = now();
  let shownAt = Number.NEGATIVE_INFINITY;
  let isLive = false;
  const close = () => {
    if (isLive) terminal.err('\n');
    isLive = false;
  };
  return {
    close,
    message(text: string): void {
      close();
      terminal.err(`${text}\n`);
    },
    show(event: QuantiseProgress): void {
      const at = now();
      const isDrawn = terminal.errIsTty && !json;
      if (event.done === 0 && !isDrawn) return;
      if (at - shownAt < (isDrawn ? LIVE_MS : PLAIN_MS)) return;
      shownAt = at;
      if (json) terminal.err(`${JSON.stringify({ kind: 'progress', ...event })}\n`);
      else if (!isDrawn) terminal.err(`${progressLine(event, at - startedAt)}\n`);
      else {
        terminal.err(`\r\u001b[2K${progressLine(event, at - startedAt).slice(0, terminal.columns - 1)}`);
        isLive = true;
      }
    },
  };
}

/** Share, size and time left; the last is not known at the start. */
export function progressLine({ tensor, done, total }: QuantiseProgress, elapsedMs: number): string {
  const share = total === 0 ? 0 : done / total;
  const left = share > 0.02 ? `  ${formatDuration((elapsedMs / 1000) * (1 / share - 1))} left` : '';
  return `quantising ${Math.floor(100 * share)} %  ${formatBytes(done)}/${formatBytes(total)}${left}  ${tensor}`;
}
