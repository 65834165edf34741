// In: a number. Out: an entry of the inference log that can be told from others.
import type { InferenceEntry } from '../../packages/factory/src/records/inference.ts';

export function logEntry(n: number, change: Partial<InferenceEntry> = {}): InferenceEntry {
  return {
    timeMs: 1_700_000_000_000 + n,
    requestId: `req_${n}`,
    keyId: null,
    kind: 'chat',
    model: 'tiny',
    variant: null,
    fingerprint: 'fp_1',
    stream: true,
    choices: 1,
    promptTokens: 10,
    cachedTokens: 2,
    completionTokens: n,
    reasoningTokens: 0,
    queueMs: 0.5,
    firstTokenMs: 12.25,
    totalMs: 80,
    finish: 'stop',
    status: 200,
    errorCode: null,
    session: null,
    user: null,
    texts: null,
    ...change,
  };
}
