// In: the final arguments of an evaluation. Out: nothing, or one error that lists every rule between keys that they break.
import { FactoryError } from '#factory/errors.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { absent, type Broken, conflict, where } from './broken.ts';
import { baseRules } from './check-base.ts';

export function checkEvalArgs(args: TrainArgs, evalArgs: EvalArgs, given: Record<string, unknown>): void {
  const broken = [
    ...sourceRules(args, evalArgs, given),
    ...taskRules(args, evalArgs),
    ...promptRules(evalArgs),
  ];
  const all = evalArgs.endpoint === null ? [...broken, ...baseRules(args)] : broken;
  if (all.length === 0) return;
  throw new FactoryError({
    code: all[0].code,
    message: all.map(({ message }) => message).join('; '),
    remedy: [...new Set(all.map(({ remedy }) => remedy))].join(' '),
    details: { problems: all.map(({ code, keys, message }) => ({ code, keys, text: message })) },
  });
}

function sourceRules(args: TrainArgs, evalArgs: EvalArgs, given: Record<string, unknown>): Broken[] {
  const { endpoint, model } = evalArgs;
  const sources = [args.dataset, args.eval_dataset, evalArgs.file];
  return where(
    [
      endpoint === null && !args.model_name_or_path,
      absent(
        'model_name_or_path',
        'there is no model: neither model_name_or_path nor endpoint is given',
        'Add --model_name_or_path with a folder or a hub id, or --endpoint with --model.',
      ),
    ],
    [
      endpoint !== null && (Boolean(args.model_name_or_path) || args.adapter_name_or_path.length > 0),
      conflict(
        ['endpoint', 'model_name_or_path'],
        'endpoint and a local model exclude each other',
        'Remove endpoint, or model_name_or_path and adapter_name_or_path.',
      ),
    ],
    [
      endpoint !== null && model === null,
      absent('model', 'endpoint is given without the name of the model there', 'Add --model.'),
    ],
    [
      endpoint !== null && !/^https?:\/\//.test(endpoint),
      {
        code: 'ARGS_BAD_VALUE',
        keys: ['endpoint'],
        message: `endpoint: expected a URL with http:// or https://, found ${JSON.stringify(endpoint)}`,
        remedy: 'Write endpoint as http://localhost:8000/v1.',
      },
    ],
    [
      endpoint === null && model !== null,
      conflict(
        ['model', 'endpoint'],
        'model names a model at an endpoint, and there is no endpoint',
        'Add --endpoint, or use --model_name_or_path.',
      ),
    ],
    [
      sources.every((names) => names.length === 0),
      absent(
        'eval_dataset',
        'there is nothing to evaluate on: none of eval_dataset, dataset and file is given',
        'Add --file with a path, or --eval_dataset.',
      ),
    ],
    [
      !Object.hasOwn(given, 'output_dir'),
      absent('output_dir', 'output_dir is missing: an evaluation is a folder', 'Add --output_dir.'),
    ],
  );
}

function taskRules(args: TrainArgs, { task, predict, endpoint, labels, metrics }: EvalArgs): Broken[] {
  const readsLogprobs = metrics.filter((name) => name.startsWith('perplexity@') || name === 'bits_per_byte');
  return where(
    [
      task !== 'classification' && predict === 'logprob',
      conflict(
        ['task', 'predict'],
        `predict logprob chooses among labels, and task is ${task}`,
        'Set task to classification.',
      ),
    ],
    [
      task === 'perplexity' && predict !== null,
      conflict(['task', 'predict'], 'task perplexity predicts nothing', 'Remove predict.'),
    ],
    [
      task !== 'classification' && labels.length > 0,
      conflict(
        ['task', 'labels'],
        `labels are for task classification, and task is ${task}`,
        'Set task to classification, or remove labels.',
      ),
    ],
    [
      endpoint !== null && (predict === 'logprob' || task === 'perplexity' || readsLogprobs.length > 0),
      {
        code: 'ARGS_NOT_SUPPORTED',
        keys: ['endpoint', 'predict'],
        message:
          'log-probabilities of given texts are refused at an endpoint: the OpenAI protocol gives those of its own answers only',
        remedy:
          'Set predict to generate and take other metrics, or evaluate the model with model_name_or_path.',
      },
    ],
    [
      args.stage !== 'sft',
      conflict(
        ['stage'],
        `stage ${args.stage} is for training; rows to evaluate are read as those of stage sft`,
        'Remove stage.',
      ),
    ],
  );
}

function promptRules(args: EvalArgs): Broken[] {
  const { doc_to_text: text, doc_to_target: target, doc_to_choice: choices, num_fewshot: shots } = args;
  const ownKeys = [
    target !== null && 'doc_to_target',
    choices.length > 0 && 'doc_to_choice',
    args.description !== '' && 'description',
    shots > 0 && 'num_fewshot',
    args.apply_chat_template !== null && 'apply_chat_template',
  ].filter((name) => name !== false);
  return where(
    [
      text === null && ownKeys.length > 0,
      conflict(
        ['doc_to_text', ...ownKeys],
        `${ownKeys.join(', ')} need doc_to_text: without it the data set's format makes the prompts`,
        'Add --doc_to_text.',
      ),
    ],
    [
      text !== null && args.task === 'classification' && target === null,
      absent(
        'doc_to_target',
        'doc_to_text without doc_to_target: no answer is right',
        'Add --doc_to_target.',
      ),
    ],
    [
      choices.length > 0 && args.task !== 'classification',
      conflict(
        ['doc_to_choice', 'task'],
        `doc_to_choice is for task classification, and task is ${args.task}`,
        'Set task to classification.',
      ),
    ],
    [
      shots > 0 && (args.fewshot_file === null || target === null),
      absent(
        'fewshot_file',
        'num_fewshot needs fewshot_file and doc_to_target, which examples are made of',
        'Add --fewshot_file and --doc_to_target.',
      ),
    ],
  );
}
