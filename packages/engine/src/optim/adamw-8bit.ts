// In: settings of AdamW. Out: its rule with moments in 8 bits, as bitsandbytes has it (`adamw_bnb_8bit`): a step on the numbers
// that the codes stand for, then codes of the new moments. A quarter of the state of AdamW.
import { adamwStep, type MomentOptions } from './adamw.ts';
import { blockCount, type Coded, dynamicMap, readBlock, writeBlock } from './block-codes.ts';
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';

/** Smaller parameters keep their moments in 32 bits, by bitsandbytes' rule. */
export const MIN_8BIT_SIZE = 4096;

const BLOCK = 256;

/** Four codes to an i32, so that a checkpoint has no type of its own for them. */
function bytesOf(state: ParameterState, name: string): Uint8Array {
  const { data } = state[name];
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function adamw8BitRule(moments: MomentOptions): UpdateRule {
  const maps = { m: dynamicMap(true), v: dynamicMap(false) };
  return {
    makeState(shape) {
      const count = shape.reduce((n, d) => n * d, 1);
      const codes = () => ({ shape: [Math.ceil(count / 4)], data: new Int32Array(Math.ceil(count / 4)) });
      const scales = () => zeros([blockCount(count)]);
      return { m: codes(), m_scale: scales(), v: codes(), v_scale: scales() };
    },
    step({ value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const [m, v] = (['m', 'v'] as const).map(
        (name): Coded => ({
          codes: bytesOf(state, name),
          scales: floats(state, `${name}_scale`),
          map: maps[name],
        }),
      );
      const means = new Float32Array(BLOCK);
      const squares = new Float32Array(BLOCK);
      for (let block = 0; block < blockCount(value.length); block++) {
        const size = readBlock(block, m, value.length, means);
        readBlock(block, v, value.length, squares);
        const from = block * BLOCK;
        adamwStep(
          value.subarray(from, from + size),
          gradient.subarray(from, from + size),
          { m: means.subarray(0, size), v: squares.subarray(0, size) },
          { ...moments, lr, weightDecay },
          step,
          gradScale,
        );
        writeBlock(block, m, means, size);
        writeBlock(block, v, squares, size);
      }
    },
  };
}
