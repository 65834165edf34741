// In: nothing. Out: what turns generated ids into text as they come. tokens/stream-decoder.ts implements it.

export interface StreamDecoderOptions {
  /** Texts that end the answer. */
  stopWords?: readonly string[];
  skipSpecialTokens?: boolean;
  /** Special tokens whose text is told all the same. */
  keep?: ReadonlyMap<number, string>;
}

export interface StreamChunk {
  /** New text, often empty. */
  text: string;
  /** The stop word that was found; nothing comes after it. */
  stop: string | null;
}

export interface StreamDecoder {
  push(id: number): StreamChunk;
  /** The rest, unfinished characters included. */
  end(): StreamChunk;
}
