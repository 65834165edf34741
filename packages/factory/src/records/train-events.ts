// In: nothing. Out: what training tells its listeners, and the history that ends up in trainer_state.json.

/** One entry of `log_history`: Hugging Face's keys (`loss`, `grad_norm`, `learning_rate`, `eval_loss`, ...). */
export type LogEntry = { step: number; epoch: number } & Record<string, number>;

export type TrainEvent =
  | {
      kind: 'start';
      totalSteps: number;
      totalEpochs: number;
      trainableParameters: number;
      allParameters: number;
      resumedFrom: number;
    }
  | {
      kind: 'step';
      step: number;
      totalSteps: number;
      epoch: number;
      loss: number;
      gradNorm: number;
      learningRate: number;
      tokens: number;
      labelTokens: number;
      seconds: number;
      rssBytes: number;
    }
  | { kind: 'log'; entry: LogEntry }
  | { kind: 'evaluate'; step: number; done: number; total: number }
  | { kind: 'sample'; step: number; prompt: string; text: string }
  | { kind: 'checkpoint'; step: number; path: string }
  | { kind: 'note'; text: string }
  | { kind: 'end'; step: number; stopped: 'finished' | 'interrupted' | 'early' };
