// In: nothing. Out: the keys that only `tunesmith expand` takes.
import { type ArgKey, bool, float, int, commandKey as key, optional } from '#factory/arguments/key.ts';

export const EXPAND_KEYS: readonly ArgKey[] = [
  key('num_expand', optional(int(1)), null, 'blocks to insert; it must divide the number of layers'),
  key('shard_size', float({ min: 0, exclusiveMin: true }), 5, 'largest weight file in GB'),
  key('verify', bool, true, 'compare the logits of both models before the folder appears'),
];
