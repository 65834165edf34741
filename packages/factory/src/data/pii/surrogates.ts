// In: a piece of personal data, its text, and a key. Out: a made-up one of the same form that belongs to nobody: numbers are
// from ranges that are never given out, addresses from those kept for documents. The same thing gets the same surrogate
// under the same key. A surrogate is never taken for personal data again.
import { createHmac } from 'node:crypto';
import { residentIdCheck, usccCheck } from './checksums.ts';
import type { Entity } from './entity.ts';
import { MADE_UP_NAMES } from './find-names.ts';

/** Draws that depend on the key, the kind and the value only. */
class Draw {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(key: string, { kind, value }: Entity) {
    this.bytes = createHmac('sha512', key).update(`${kind}\0${value}`).digest();
  }

  below(limit: number): number {
    const value = this.bytes.readUInt16LE(this.at % 62);
    this.at += 2;
    return value % limit;
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.below(10)).join('');
  }

  hex(count: number): string {
    return this.bytes.toString('hex').slice(0, count);
  }
}

export function surrogateOf(entity: Entity, text: string, key: string): string {
  const draw = new Draw(key, entity);
  switch (entity.kind) {
    case 'email':
      return `user_${draw.hex(8)}@example.com`;
    case 'url':
      return `https://example.com/${draw.hex(8)}`;
    case 'ip':
      return text.includes(':')
        ? `2001:db8::${draw.hex(4)}:${draw.hex(8).slice(4)}`
        : `${['192.0.2', '198.51.100', '203.0.113'][draw.below(3)]}.${1 + draw.below(254)}`;
    case 'phone':
      return phone(text, entity.value, draw);
    case 'resident_id': {
      const born = `${1950 + draw.below(55)}${two(1 + draw.below(12))}${two(1 + draw.below(28))}`;
      // No province has the number 79, and neither companies nor cards begin with 7.
      const digits = `79${draw.digits(4)}${born}${draw.digits(3)}`;
      return digits + residentIdCheck(digits);
    }
    case 'uscc': {
      // No province has the number 99; the letter keeps it from being a card number.
      const code = `9199${draw.digits(4)}X${draw.digits(8)}`;
      return code + usccCheck(code);
    }
    case 'bank_card':
      return fill(text, `10${draw.digits(18)}`);
    case 'iban':
      // Check digits 00 are never right.
      return fill(text, `00${draw.digits(32)}`, 2);
    case 'ssn':
      return fill(text, `000${draw.digits(6)}`);
    case 'plate':
      // Plates have no letter O in this place.
      return `${text[0]}O${/[ ·•]/.exec(text)?.[0] ?? ''}${draw.digits(5)}`;
    case 'api_key':
      return `${/^(?:[A-Za-z]+[-_.])+|^(?:AKIA|ASIA|LTAI|AKID|AIza|eyJ)/.exec(text)?.[0] ?? ''}EXAMPLE${draw.hex(24)}`;
    case 'name': {
      const names = /\p{Script=Han}/u.test(text) ? MADE_UP_NAMES.zh : MADE_UP_NAMES.en;
      return names[draw.below(names.length)]!;
    }
  }
}

const two = (value: number) => String(value).padStart(2, '0');

/** After the country code comes 100, which begins no number of any length that is checked for. */
function phone(text: string, value: string, draw: Draw): string {
  const digits = text.replace(/\D/g, '');
  const isChinese = /^\+861\d{10}$/.test(value) && digits.length > 11;
  const code = isChinese ? digits.length - 11 : /^\s*(?:\+|00)/.test(text) ? countryDigits(digits, text) : 0;
  return fill(text, `${digits.slice(0, code)}100${draw.digits(15)}`);
}

/** Digits before the first separator of a number with a country code, two at least where there is none. */
function countryDigits(digits: string, text: string): number {
  const first = /^\s*\+?\(?(\d{1,5}?)[ ().-]/.exec(text)?.[1]?.length;
  return Math.min(first ?? 2, digits.length - 5, 3);
}

/** The form of `text` with other digits; letters stay, except after the first `letters` where they become digits too. */
function fill(text: string, digits: string, letters = Number.POSITIVE_INFINITY): string {
  let used = 0;
  let seen = 0;
  let filled = '';
  for (const character of text) {
    const isLetter = /[A-Za-z]/.test(character);
    if (isLetter) seen++;
    if (/\d/.test(character) || (isLetter && seen > letters)) filled += digits[used++] ?? '0';
    else filled += character;
  }
  return filled;
}
