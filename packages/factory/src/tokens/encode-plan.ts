// In: what the user asked for. Out: the same with every default in place and contradictions refused. It encodes nothing.
import { FactoryError } from '#factory/errors.ts';
import type { ChatTemplate } from '#factory/records/chat-template.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import type { RowIssue } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { Stage } from '#factory/records/train-args.ts';

export interface EncodeOptions {
  stage: Stage;
  /** Stage pt may go without: then eos is the tokenizer's. */
  template: ChatTemplate | null;
  tokenizer: TextTokenizer;
  /** Ids per row at most. */
  cutoffLen: number;
  trainOnPrompt?: boolean;
  maskHistory?: boolean;
  /** null: packing for pt, none for the others. Written as true it takes one id off the cutoff, as LLaMA-Factory does. */
  packing?: boolean | null;
  /** Packed rows keep their borders, so that no row attends to another (`neat_packing`). */
  neatPacking?: boolean;
  /** Rows per group (`preprocessing_batch_size`): packs, blocks and KTO's mismatched answers never cross groups. */
  groupRows?: number;
}

export type EncodeProgress = (done: number, total: number) => void;

/** Options with every default in place. */
export interface EncodePlan {
  stage: Stage;
  template: ChatTemplate | null;
  tokenizer: TextTokenizer;
  cutoffLen: number;
  trainOnPrompt: boolean;
  maskHistory: boolean;
  packing: boolean;
  neatPacking: boolean;
  groupRows: number;
}

/** What an encoder of one stage gives back. `used` counts rows of the input, not packs. */
export interface EncodedRows {
  rows: EncodedExample[];
  issues: RowIssue[];
  used: number;
  /** Rated answers only: one per row used. */
  isDesirable?: boolean[];
}

const DEFAULT_GROUP_ROWS = 1000;

/** @throws FactoryError ARGS_MISSING, ARGS_CONFLICT or ARGS_BAD_VALUE */
export function planEncoding(options: EncodeOptions): EncodePlan {
  const { stage, template, tokenizer } = options;
  const trainOnPrompt = options.trainOnPrompt ?? false;
  const maskHistory = options.maskHistory ?? false;
  if (stage !== 'pt' && template === null) {
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `stage ${stage} needs a chat template`,
      remedy: 'Set template to a known name.',
    });
  }
  if (trainOnPrompt && maskHistory) {
    throw conflict('train_on_prompt and mask_history exclude each other', 'Set one of the two to false.');
  }
  if (stage === 'sft' && trainOnPrompt && template?.efficientEos) {
    throw conflict(
      `template ${template.name} ends answers with the next turn's first token, so train_on_prompt cannot be used`,
      'Set train_on_prompt to false, or choose another template.',
    );
  }
  const cutoffLen = options.packing === true ? options.cutoffLen - 1 : options.cutoffLen;
  if (!Number.isInteger(cutoffLen) || cutoffLen < 2) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `cutoff_len must be a whole number of at least ${options.packing ? 3 : 2}, found ${options.cutoffLen}`,
      remedy: 'Set cutoff_len to the longest row to train on, for example 2048.',
    });
  }
  return {
    stage,
    template,
    tokenizer,
    cutoffLen,
    trainOnPrompt,
    maskHistory,
    packing: options.packing ?? stage === 'pt',
    neatPacking: options.neatPacking ?? false,
    groupRows: options.groupRows ?? DEFAULT_GROUP_ROWS,
  };
}

function conflict(message: string, remedy: string): FactoryError {
  return new FactoryError({ code: 'ARGS_CONFLICT', message, remedy });
}
