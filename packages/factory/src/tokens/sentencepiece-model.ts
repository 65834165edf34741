// In: the bytes of a SentencePiece model (tokenizer.model, protocol buffers). Out: its pieces with scores and kinds; the rest
// is skipped. Layout: sentencepiece_model.proto.
import { FactoryError } from '#factory/errors.ts';

export interface SentencePiece {
  piece: string;
  score: number;
  /** 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte: the numbers of GGUF too. */
  kind: number;
}

export function readSentencePieces(bytes: Uint8Array, file: string): SentencePiece[] {
  const reader = new Reader(bytes, file);
  const pieces: SentencePiece[] = [];
  while (!reader.isAtEnd) {
    const { field, wire } = reader.tag();
    if (field === 1 && wire === 2) pieces.push(readPiece(new Reader(reader.bytes(), file)));
    else reader.skip(wire);
  }
  return pieces;
}

function readPiece(reader: Reader): SentencePiece {
  const piece: SentencePiece = { piece: '', score: 0, kind: 1 };
  while (!reader.isAtEnd) {
    const { field, wire } = reader.tag();
    if (field === 1 && wire === 2) piece.piece = new TextDecoder().decode(reader.bytes());
    else if (field === 2 && wire === 5) piece.score = reader.float();
    else if (field === 3 && wire === 0) piece.kind = reader.varint();
    else reader.skip(wire);
  }
  return piece;
}

class Reader {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  readonly #file: string;
  #at = 0;

  constructor(data: Uint8Array, file: string) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.#file = file;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#data.length;
  }

  #take(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (bytes >= 0 && this.#at <= this.#data.length) return at;
    throw new FactoryError({
      code: 'TOKENS_BAD_TOKENIZER',
      message: `${this.#file}: expected a SentencePiece model, found bytes that end within a field at ${at}`,
      remedy: "Download the model's tokenizer.model again.",
      details: { file: this.#file },
    });
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#data[this.#take(1)];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    return value;
  }

  tag(): { field: number; wire: number } {
    const tag = this.varint();
    return { field: Math.floor(tag / 8), wire: tag % 8 };
  }

  float(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  bytes(): Uint8Array {
    const length = this.varint();
    const at = this.#take(length);
    return this.#data.subarray(at, at + length);
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.#take(8);
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.#take(4);
    else this.#take(Number.NaN);
  }
}
