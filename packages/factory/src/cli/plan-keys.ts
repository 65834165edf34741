// In: nothing. Out: the keys that only `tunesmith plan` takes.
import { type ArgKey, bool, int, commandKey as key, optional, string } from '#factory/arguments/key.ts';

export const PLAN_KEYS: readonly ArgKey[] = [
  key('parameters', optional(string), null, 'a size such as 7B, instead of a model'),
  key('vocab_size', int(1), 32_000, 'its vocabulary'),
  key('gpu', optional(string), null, 'plan for the memory of this card, such as "RTX 4090"'),
  key('within', optional(string), null, 'wanted time of the run, such as 2h or 90min'),
  key(
    'classic',
    bool,
    false,
    'the table of 7B and 13B by full, LoRA and QLoRA, beside the formula for a GPU',
  ),
  key('probe', bool, true, 'measure this machine for a few seconds; false: no times'),
  key('recipe', optional(string), null, 'write the advised run as YAML to this file'),
];
