// In: a type as llama-quantize names it, in upper or lower case. Out: llama.cpp's number and title of it, or why it is
// refused. Which tensor gets which blocks is llama.cpp's to say.
import { FactoryError } from '#factory/errors.ts';

export interface QuantType {
  name: string;
  /** llama.cpp's `llama_ftype`. */
  ftype: number;
  /** What `llama_ftype_name` says of it: the two must agree before a file is written. */
  title: string;
}

const type = (name: string, ftype: number, title = name): QuantType => ({ name, ftype, title });

/** From the largest to the smallest. */
export const QUANT_TYPES: readonly QuantType[] = [
  type('F16', 1),
  type('BF16', 32),
  type('Q8_0', 7),
  type('Q6_K', 18),
  type('Q5_1', 9),
  type('Q5_K_M', 17, 'Q5_K - Medium'),
  type('Q5_K_S', 16, 'Q5_K - Small'),
  type('Q5_0', 8),
  type('Q4_1', 3),
  type('Q4_K_M', 15, 'Q4_K - Medium'),
  type('Q4_K_S', 14, 'Q4_K - Small'),
  type('Q4_0', 2),
  type('Q3_K_L', 13, 'Q3_K - Large'),
  type('Q3_K_M', 12, 'Q3_K - Medium'),
  type('Q3_K_S', 11, 'Q3_K - Small'),
  type('Q2_K', 10, 'Q2_K - Medium'),
];

const ALIASES: Readonly<Record<string, string>> = { Q3_K: 'Q3_K_M', Q4_K: 'Q4_K_M', Q5_K: 'Q5_K_M' };
/** Made with an importance matrix; of most of them llama.cpp says that the result is garbage without one. */
const NEEDS_MATRIX = /^IQ\d|^Q2_K_S$/;

export function quantType(word: string): QuantType {
  const name = word.toUpperCase();
  const found = QUANT_TYPES.find((one) => one.name === (ALIASES[name] ?? name));
  if (found) return found;
  const names = QUANT_TYPES.map((one) => one.name).join(', ');
  throw new FactoryError({
    code: 'EXPORT_BAD_TYPE',
    message: NEEDS_MATRIX.test(name)
      ? `type: expected one of ${names}, found ${name}, which is made with an importance matrix`
      : `type: expected one of ${names}, found ${JSON.stringify(word)}`,
    remedy: 'Set the type to one of these names, such as Q4_K_M.',
    details: { type: word },
  });
}
