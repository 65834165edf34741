// In: nothing. Out: the keys of GaLore, APOLLO and BAdam in the argument table, in LLaMA-Factory's order.
import {
  type ArgKey,
  bool,
  choice,
  float,
  int,
  list,
  noEffect,
  optional,
  refused,
  supported,
} from './key.ts';

const positive = float({ min: 0, exclusiveMin: true });
const LAYERWISE =
  'updates during the backward pass are not supported: the norm of all gradients is needed for clipping first';
const RATIO =
  'the masks of ratio mode follow from hooks and the generator of PyTorch and have no other definition; layer mode is supported';
const OF_RATIO = 'it acts only with badam_mode ratio, which is not supported';

export const OPTIMISER_KEYS: Omit<ArgKey, 'group'>[] = [
  supported('use_galore', bool, false, 'GaLore optimiser: moments of projected gradients'),
  supported('galore_target', list, ['all'], 'GaLore: parts of module names, or all linear layers'),
  supported('galore_rank', int(1), 16, 'GaLore: rank of the projection'),
  supported('galore_update_interval', int(1), 200, 'GaLore: steps between projections'),
  supported('galore_scale', positive, 2, 'GaLore: what the update is multiplied by'),
  supported(
    'galore_proj_type',
    choice('std', 'reverse_std', 'right', 'left', 'full'),
    'std',
    'GaLore: which side is projected; std keeps the longer one whole',
  ),
  refused('galore_layerwise', bool, false, 'GaLore per layer', LAYERWISE),
  supported('use_apollo', bool, false, 'APOLLO optimiser: gradients scaled as Adam would'),
  supported('apollo_target', list, ['all'], 'APOLLO: parts of module names, or all linear layers'),
  supported('apollo_rank', int(1), 16, 'APOLLO: rank of the projection'),
  supported('apollo_update_interval', int(1), 200, 'APOLLO: steps between projections'),
  supported('apollo_scale', positive, 32, 'APOLLO: the update is multiplied by its root'),
  supported('apollo_proj', choice('svd', 'random'), 'random', 'APOLLO: kind of projection'),
  supported('apollo_proj_type', choice('std', 'right', 'left'), 'std', 'APOLLO: which side is projected'),
  supported(
    'apollo_scale_type',
    choice('channel', 'tensor'),
    'channel',
    'APOLLO: one factor per channel or per matrix',
  ),
  refused('apollo_layerwise', bool, false, 'APOLLO per layer', LAYERWISE),
  supported('apollo_scale_front', bool, false, 'APOLLO: scale before the limit on growth'),
  supported('use_badam', bool, false, 'BAdam optimiser: one layer at a time'),
  refused('badam_mode', choice('layer', 'ratio'), 'layer', 'BAdam: by layers or by masks', RATIO),
  supported('badam_start_block', optional(int(0)), null, 'BAdam: first layer; unset = by the order'),
  supported(
    'badam_switch_mode',
    choice('ascending', 'descending', 'random', 'fixed'),
    'ascending',
    'BAdam: order of layers',
  ),
  supported('badam_switch_interval', int(-1), 50, 'BAdam: steps per layer; -1 never switches'),
  noEffect('badam_update_ratio', float(), 0.05, 'share of parameters updated', OF_RATIO),
  noEffect('badam_mask_mode', choice('adjacent', 'scatter'), 'adjacent', 'mask kind', OF_RATIO),
  noEffect('badam_verbose', int(0, 2), 0, 'verbosity', 'the layer that is trained follows from the step'),
];
