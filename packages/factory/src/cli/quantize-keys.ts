// In: nothing. Out: the keys that only `tunesmith quantize` takes.
import { type ArgKey, bool, int, commandKey as key, optional, string } from '#factory/arguments/key.ts';

export const QUANTIZE_KEYS: readonly ArgKey[] = [
  key(
    'type',
    optional(string),
    null,
    'F16, BF16, Q8_0, Q6_K, Q5_1, Q5_K_M, Q5_K_S, Q5_0, Q4_1, Q4_K_M, Q4_K_S, Q4_0, Q3_K_L, Q3_K_M, Q3_K_S or Q2_K (required)',
  ),
  key('allow_requantize', bool, false, 'take a source that is quantised already, which costs quality'),
  key('threads', int(0), 0, 'threads of llama.cpp; 0 takes all processors'),
];
