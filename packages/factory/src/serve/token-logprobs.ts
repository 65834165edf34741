// In: tokens with their log-probabilities, then the text that was told of them. Out: which tokens belong to which text: bytes
// of half characters and text that might become a stop word are told later than their tokens come.
import type { TokenLogprob } from '#factory/records/served-model.ts';
import type { TokenEvent } from '#factory/records/token-engine.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

export interface LogprobLedger {
  add(event: Extract<TokenEvent, { kind: 'token' }>): void;
  /** Tokens of `text`. At a stop word only those that begin within it; elsewhere all that have come. */
  take(text: string, isStop: boolean): TokenLogprob[];
  drop(): void;
}

export function logprobLedger(tokenizer: TextTokenizer, bytesOf: (id: number) => Uint8Array): LogprobLedger {
  let waiting: TokenLogprob[] = [];
  const describe = (id: number) => {
    const bytes = bytesOf(id);
    // Half a character has no text of its own; its piece says more than a replacement character.
    const text = new TextDecoder().decode(bytes);
    const token = text.includes('\uFFFD') ? (tokenizer.idToToken(id) ?? text) : text;
    return { token, bytes: [...bytes] };
  };
  return {
    add({ id, logprob, top }) {
      if (logprob === null) return;
      waiting.push({
        ...describe(id),
        logprob,
        top: top.map((other) => ({ ...describe(other.id), logprob: other.logprob })),
      });
    },
    take(text, isStop) {
      const all = waiting;
      waiting = [];
      if (!isStop) return all;
      const length = Buffer.byteLength(text);
      let at = 0;
      return all.filter(({ bytes }) => {
        const begins = at;
        at += bytes.length;
        return begins < length;
      });
    },
    drop() {
      waiting = [];
    },
  };
}
