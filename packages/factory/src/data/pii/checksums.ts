// In: the characters of a number, without spaces. Out: whether its check digit is right; and check digits for numbers that
// are made up. Luhn: ISO/IEC 7812. Resident ID: GB 11643 (ISO 7064 MOD 11-2). USCC: GB 32100. IBAN: ISO 13616 (MOD 97-10).

export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    const weighed = i % 2 === 0 ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}

const ID_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** The check character of the first 17 digits. */
export function residentIdCheck(digits: string): string {
  const sum = ID_WEIGHTS.reduce((total, weight, i) => total + weight * (digits.charCodeAt(i) - 0x30), 0);
  return '10X98765432'[sum % 11]!;
}

const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';

/** The check character of the first 17; null where a character is not of the alphabet (no I, O, S, V, Z). */
export function usccCheck(code: string): string | null {
  let sum = 0;
  let weight = 1;
  for (let i = 0; i < 17; i++) {
    const value = USCC_ALPHABET.indexOf(code[i]!);
    if (value < 0) return null;
    sum += value * weight;
    weight = (weight * 3) % 31;
  }
  return USCC_ALPHABET[(31 - (sum % 31)) % 31]!;
}

export function passesIban(iban: string): boolean {
  const turned = iban.slice(4) + iban.slice(0, 4);
  let remainder = 0;
  for (const character of turned) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}

/** The first two digits of resident IDs and the third and fourth of USCCs: provinces (GB/T 2260). */
export function isProvince(code: string): boolean {
  return /^(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|7[1]|8[1-3])$/.test(code);
}
