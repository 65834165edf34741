// In: nothing. Out: the keys that only Tunesmith has, and older keys that no current key replaces.
import {
  type ArgKey,
  bool,
  choice,
  dict,
  float,
  inGroup,
  int,
  list,
  noEffect,
  optional,
  refused,
  string,
  supported,
  texts,
} from './key.ts';
import { REINFORCEMENT_KEYS } from './table-reinforcement.ts';

export const OWN_KEYS: ArgKey[] = inGroup('tunesmith', [
  supported(
    'backend',
    choice('cpu', 'webgpu', 'cuda', 'reference'),
    'cpu',
    'cpu, webgpu (any GPU with a driver), cuda (after "tunesmith setup cuda"; untested), or reference (float64, slow)',
  ),
  supported(
    'residual_policy',
    choice('auto', 'save', 'recompute', 'spill'),
    'auto',
    'keep activations for the backward pass, recompute them, or write them to the disk',
  ),
  supported(
    'spill_dir',
    optional(string),
    null,
    'folder for activations that are written to the disk; unset = output_dir',
  ),
  supported(
    'memory',
    optional(string),
    null,
    'what training may take, such as 12GB; without it, what this machine has free',
  ),
  supported('ignore_plan', bool, false, 'train although the plan says that it does not fit'),
  supported(
    'stream_base',
    bool,
    false,
    'read frozen layers from the disk just before they run, two at a time (lora)',
  ),
  supported('allow_drift', bool, false, 'resume although the stored configuration differs'),
  supported('extend', bool, false, 'go on with a finished run up to the epochs or steps given now'),
  supported('sample_prompts', texts, [], 'prompts answered at every evaluation'),
  supported('eval_samples', int(0), 0, 'evaluation rows answered at every evaluation'),
  ...REINFORCEMENT_KEYS,
  supported(
    'eval_metrics',
    list,
    [],
    'metrics of generated answers at evaluations, beside bleu-4 and rouge; with predict_with_generate',
  ),
  supported(
    'max_dropped_fraction',
    float({ min: 0, max: 1 }),
    0.1,
    'stop when more than this share of rows is dropped',
  ),
  supported(
    'sealed_test',
    optional(string),
    null,
    'seal of a test set whose rows are not trained on; without it, sealed-test.json in dataset_dir, if there is one',
  ),
  supported(
    'template_version',
    choice('latest', 'v0.6.3'),
    'latest',
    'strings of the templates: latest, or those of train_bash.py',
  ),
]);

const RAY = 'it acted only under Ray, which is not supported yet';

export const OLDER_KEYS: ArgKey[] = inGroup('older', [
  refused(
    'source_prefix',
    optional(string),
    null,
    'text before every prompt (until v0.4)',
    'it was removed; write the text into the data, or use default_system',
    [''],
  ),
  refused(
    'split',
    string,
    'train',
    'split of the data set (until v0.8)',
    'it was removed; write "split" into the entry of dataset_info.json',
  ),
  refused(
    'reserved_label_len',
    int(0),
    1,
    'tokens kept for the answer (until v0.8)',
    'the truncation rule that used it was removed; answers now keep their share of cutoff_len',
  ),
  noEffect('visual_inputs', bool, false, 'read images (until v0.9)', 'only text models are trained here'),
  noEffect(
    'train_mm_proj_only',
    bool,
    false,
    'train only the projector (until v0.9.2)',
    'only text models are trained here',
  ),
  refused(
    'lora_bf16_mode',
    bool,
    false,
    'LoRA weights in bf16 (until v0.6)',
    'trained parameters are always float32',
  ),
  noEffect(
    'disable_version_checking',
    bool,
    false,
    'no check of Python packages (until v0.6)',
    'there are no Python packages to check',
  ),
  noEffect('ray_run_name', optional(string), null, 'Ray run (until v0.9.5)', RAY),
  noEffect('ray_storage_path', optional(string), null, 'Ray storage (until v0.9.5)', RAY),
  noEffect('ray_storage_filesystem', optional(string), null, 'Ray storage (until v0.9.5)', RAY),
  noEffect('resources_per_worker', dict, null, 'Ray resources (until v0.9.5)', RAY),
  noEffect('placement_strategy', optional(string), null, 'Ray placement (until v0.9.5)', RAY),
]);
