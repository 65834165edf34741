// In: nothing. Out: settings of asks that tests share.
import { GREEDY, type SamplingAsk } from '../../packages/factory/src/records/served-model.ts';

export const greedy: SamplingAsk = { ...GREEDY, stop: [] };
