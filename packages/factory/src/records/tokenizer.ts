// In: nothing. Out: what every step may ask of a tokenizer. tokens/tokenizer.ts implements it.

export interface TextTokenizer {
  /** Ids of `text` with no special tokens added; special strings inside `text` become their ids unless split. */
  encode(text: string): number[];
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string;
  /** The id of one token's exact string, or null. */
  tokenToId(token: string): number | null;
  /** The exact string of an id, or null. */
  idToToken(id: number): string | null;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly padId: number | null;
  /** True when the tokenizer itself puts bos before text (`add_bos_token`, or its post-processor does). */
  readonly addsBos: boolean;
  /** One more than the largest id. */
  readonly size: number;
  /** The Jinja chat template of tokenizer_config.json or chat_template.jinja, or null. */
  readonly chatTemplate: string | null;
  /** Hex SHA-256 over the tokenizer files. */
  readonly fingerprint: string;
}
