// In: nothing. Out: the values of `optim`: those of transformers that are computed here, those that mean the same under
// another name, and those that are refused, each with its reason.

export const OPTIMISERS = [
  'adamw_torch',
  'adamw_torch_fused',
  'adafactor',
  'sgd',
  'adagrad',
  'rmsprop',
  'lion_32bit',
  'adamw_8bit',
] as const;

/** Another kernel, or paging of GPU memory, for the same numbers. */
export const SAME_OPTIMISER: Readonly<Record<string, (typeof OPTIMISERS)[number]>> = {
  adamw_hf: 'adamw_torch',
  adamw_apex_fused: 'adamw_torch',
  adamw_anyprecision: 'adamw_torch',
  adamw_torch_xla: 'adamw_torch',
  adamw_torch_npu_fused: 'adamw_torch',
  paged_adamw_32bit: 'adamw_torch',
  paged_adamw: 'adamw_torch',
  adamw_bnb_8bit: 'adamw_8bit',
  paged_adamw_8bit: 'adamw_8bit',
  lion: 'lion_32bit',
  paged_lion_32bit: 'lion_32bit',
};

const EIGHT_BITS =
  'its state in 8 bits is not supported; adamw_8bit keeps a quarter of the state of AdamW, adafactor almost none';
const LOW_RANK = (key: string) => `set ${key} and its keys instead; they are what LLaMA-Factory uses`;
const NO_DEFINITION = 'it is not supported; adamw_torch is the nearest one';

export const REFUSED_OPTIMISERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['lion_8bit', 'paged_lion_8bit'].map((n) => [n, EIGHT_BITS])),
  ...Object.fromEntries(
    ['ademamix_8bit', 'paged_ademamix_8bit', 'adamw_torch_8bit', 'adamw_torch_4bit'].map((n) => [
      n,
      EIGHT_BITS,
    ]),
  ),
  ...Object.fromEntries(
    ['rmsprop_bnb', 'rmsprop_bnb_8bit', 'rmsprop_bnb_32bit'].map((n) => [
      n,
      'its averages are other than those of rmsprop, which is supported',
    ]),
  ),
  ...Object.fromEntries(
    ['galore_adamw', 'galore_adamw_8bit', 'galore_adafactor'].flatMap((n) =>
      [n, `${n}_layerwise`].map((name) => [name, LOW_RANK('use_galore')]),
    ),
  ),
  ...Object.fromEntries(['apollo_adamw', 'apollo_adamw_layerwise'].map((n) => [n, LOW_RANK('use_apollo')])),
  ...Object.fromEntries(
    [
      'ademamix',
      'paged_ademamix_32bit',
      'lomo',
      'adalomo',
      'grokadamw',
      'schedule_free_radam',
      'schedule_free_adamw',
      'schedule_free_sgd',
      'stable_adamw',
    ].map((n) => [n, NO_DEFINITION]),
  ),
};
