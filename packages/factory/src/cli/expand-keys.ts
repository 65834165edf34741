// In: nothing. Out: the keys that only `tunesmith expand` takes.
import { type ArgKey, bool, float, int, optional } from '#factory/arguments/key.ts';

function key(name: string, type: ArgKey['type'], value: unknown, meaning: string): ArgKey {
  return { name, group: 'command', type, default: value, meaning, status: 'supported' };
}

export const EXPAND_KEYS: readonly ArgKey[] = [
  key('num_expand', optional(int(1)), null, 'blocks to insert; it must divide the number of layers'),
  key('shard_size', float({ min: 0, exclusiveMin: true }), 5, 'largest weight file in GB'),
  key('verify', bool, true, 'compare the logits of both models before the folder appears'),
];
