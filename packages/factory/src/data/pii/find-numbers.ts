// In: text. Out: numbers that name a person, a company, an account or a machine, each proved by its check digit or its form:
// resident IDs, unified social credit codes, bank cards, IBANs, US social security numbers, plates, IP addresses.
import { isIPv6 } from 'node:net';
import { isProvince, passesIban, passesLuhn, residentIdCheck, usccCheck } from './checksums.ts';
import type { EntityKind } from './entity.ts';

export type Add = (kind: EntityKind, start: number, end: number, value: string) => void;

export function findNumbers(text: string, add: Add): void {
  for (const match of text.matchAll(/(?<![A-Za-z0-9])\d{17}[\dXx](?![A-Za-z0-9])/g)) {
    const id = match[0].toUpperCase();
    if (isResidentId(id)) add('resident_id', match.index, match.index + 18, id);
  }
  // Without I, O, S, V and Z. The first two say who registered it.
  for (const match of text.matchAll(/(?<![A-Za-z0-9])[159NY][0-9A-HJ-NPQRTUWXY]{17}(?![A-Za-z0-9])/g)) {
    const code = match[0];
    if (isProvince(code.slice(2, 4)) && usccCheck(code) === code[17])
      add('uscc', match.index, match.index + 18, code);
  }
  for (const match of text.matchAll(/(?<![\dA-Za-z.,-])\d(?:[ -]?\d){11,18}(?![\dA-Za-z-]|[.,]\d)/g)) {
    const digits = match[0].replace(/\D/g, '');
    if (isBankCard(digits, text.slice(Math.max(0, match.index - 24), match.index), match[0]))
      add('bank_card', match.index, match.index + match[0].length, digits);
  }
  for (const match of text.matchAll(
    /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])/g,
  )) {
    const iban = match[0].replaceAll(' ', '').toUpperCase();
    if (iban.length >= 15 && iban.length <= 34 && /\d{4}/.test(iban) && passesIban(iban))
      add('iban', match.index, match.index + match[0].length, iban);
  }
  for (const match of text.matchAll(/(?<![\d-])(\d{3})([- ])(\d{2})\2(\d{4})(?![\d-])/g)) {
    const [whole, area, separator, group, serial] = match;
    if (separator === ' ' && !/(?:ssn|social security)[^\d\n]{0,24}$/i.test(text.slice(0, match.index)))
      continue;
    // 000, 666 and 900 to 999 are never given.
    if (/^(?:000|666|9)/.test(area!) || group === '00' || serial === '0000') continue;
    add('ssn', match.index, match.index + whole.length, `${area}${group}${serial}`);
  }
  findPlates(text, add);
  findIps(text, add);
}

function isResidentId(id: string): boolean {
  if (!isProvince(id.slice(0, 2))) return false;
  const [year, month, day] = [id.slice(6, 10), id.slice(10, 12), id.slice(12, 14)].map(Number);
  if (year! < 1900 || year! > 2100 || month! < 1 || month! > 12 || day! < 1 || day! > 31) return false;
  return residentIdCheck(id) === id[17];
}

/** First digits of payment networks and of Chinese banks; the rest of the numbers that pass Luhn are chance. */
const ISSUER = /^(?:3[0-9]|4|5[0-9]|6[0-9]|2[2-7]|1800|2131|955|9[0-4])/;
const NOT_A_CARD =
  /(?:订单|运单|单号|快递|物流|流水|编号|序列号|order|tracking|invoice|serial|isbn|imei|\bno\.?|\bid)[^\d]{0,12}$/i;
const CARD_WORD = /(?:卡号|银行卡|信用卡|储蓄卡|账号|card|visa|master|account)[^\d]{0,20}$/i;

function isBankCard(digits: string, before: string, written: string): boolean {
  // Groups of a card are of three digits or more: "12 5 2024 …" is a row of numbers.
  if (/[ -]/.test(written) && !/^\d{3,6}(?:[ -]\d{3,7}){2,4}$/.test(written)) return false;
  if (digits.length < 12 || digits.length > 19 || !ISSUER.test(digits) || !passesLuhn(digits)) return false;
  if (CARD_WORD.test(before)) return true;
  if (digits.length === 12 && !/^(?:5[06]|6)/.test(digits)) return false;
  return !NOT_A_CARD.test(before);
}

const PROVINCE_LETTER = '京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼';
const PLATE = new RegExp(
  `[${PROVINCE_LETTER}][A-HJ-NP-Z][ ·•]?(?:[DABCEFGHJK][A-HJ-NP-Z0-9]\\d{4}|\\d{5}[DABCEFGHJK]` +
    '|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳])(?![A-Za-z0-9])',
  'g',
);

function findPlates(text: string, add: Add): void {
  for (const match of text.matchAll(PLATE)) {
    if (/\d.*\d/.test(match[0]))
      add('plate', match.index, match.index + match[0].length, match[0].replace(/[ ·•]/, ''));
  }
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`(?<![\\w.-])${OCTET}(?:\\.${OCTET}){3}(?![\\w]|\\.\\d|-\\d)`, 'g');
const V6 = /(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])/g;
/** Loopback, unspecified, broadcast, and the ranges that are kept for documents. */
const NOBODY = /^(?:127\.|0\.0\.0\.0$|255\.|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|::1?$|2001:0?db8:)/i;
const VERSION_WORD = /(?:\bv|ver\.?|version|版本号?|release|oid)[ :：]*$/i;

function findIps(text: string, add: Add): void {
  for (const match of text.matchAll(V4)) {
    const ip = match[0];
    if (!NOBODY.test(ip) && !VERSION_WORD.test(text.slice(Math.max(0, match.index - 12), match.index)))
      add('ip', match.index, match.index + ip.length, ip);
  }
  for (const match of text.matchAll(V6)) {
    const ip = match[0];
    // A time such as 10:20:30 has too few groups; "::" alone is C++.
    if (isIPv6(ip) && !NOBODY.test(ip) && (ip.match(/[0-9a-f]{1,4}/gi)?.length ?? 0) >= 3)
      add('ip', match.index, match.index + ip.length, ip.toLowerCase());
  }
}

/** A text without any of these has no number to find; most texts end here. */
export function mayHaveNumbers(text: string): boolean {
  return /\d{3}|\d\.\d|[A-HJ-NP-Z]\d{2}|[0-9a-fA-F]:[0-9a-fA-F:]/.test(text);
}
