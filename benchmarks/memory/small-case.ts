// In: a folder, a small shape, a method. Out: the measured peak of training it beside the planned one. Models are written
// once per folder.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, measurePeak } from './measure.ts';
import { makeRandomGguf } from './random-gguf.ts';
import { makeRandomModel } from './random-model.ts';
import { MEASURED_METHODS, OWN_MODEL, SMALL_SHAPES } from './small-shapes.ts';

/** One row of `tokens` tokens, two steps: the second finds what the first left. */
export function measureSmall(
  folder: string,
  shape: string,
  method: string,
  tokens: number,
): Promise<Measured> {
  const { keys, stored } = MEASURED_METHODS[method];
  const config = SMALL_SHAPES[shape];
  mkdirSync(folder, { recursive: true });
  const model =
    stored === 'gguf'
      ? makeRandomGguf(join(folder, `${shape}.gguf`), config)
      : makeRandomModel(join(folder, `${shape}-${stored}`), config, stored);
  // A budget that does not depend on the machine, so that the plan does not either.
  const own = Object.entries(keys).map(([key, value]) => [key, value === OWN_MODEL ? model : value]);
  const all = { memory: '12GB', ...Object.fromEntries(own) };
  return measurePeak({ model, keys: all, rows: 1, tokens, steps: 2 });
}
