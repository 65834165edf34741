// In: a row. Out: the row with personal data masked, or only counted. Surrogates are the same for the same thing within a
// row, or within everything that is cleaned with the same key, so that a dialogue stays a dialogue. Which kinds are looked
// for is an option; addresses of pages and names are off by default.
import { hash } from 'node:crypto';
import { type CleanRow, mapTexts, rowToJson } from '#factory/records/clean-row.ts';
import type { OptionSpec, ReasonSpec, RowStep, StepText } from '../clean-step.ts';
import { ENTITY_KINDS, type Entity, type EntityKind } from './entity.ts';
import { findEntities } from './find-entities.ts';
import { surrogateOf } from './surrogates.ts';

const KIND_TEXT: Record<EntityKind, StepText> = {
  api_key: { en: 'keys and passwords', zh: '密钥与密码' },
  url: { en: 'addresses of pages', zh: '网址' },
  email: { en: 'e-mail addresses', zh: '电子邮箱' },
  resident_id: { en: 'Chinese resident IDs', zh: '居民身份证号' },
  uscc: { en: 'unified social credit codes', zh: '统一社会信用代码' },
  iban: { en: 'IBANs', zh: '国际银行账号（IBAN）' },
  bank_card: { en: 'bank cards', zh: '银行卡号' },
  ip: { en: 'IP addresses', zh: 'IP 地址' },
  phone: { en: 'phone numbers', zh: '电话号码' },
  ssn: { en: 'US social security numbers', zh: '美国社会安全号' },
  plate: { en: 'number plates', zh: '车牌号' },
  name: { en: 'names of people', zh: '人名' },
};
const OFF_BY_DEFAULT: readonly EntityKind[] = ['url', 'name'];
const ON = ENTITY_KINDS.filter((kind) => !OFF_BY_DEFAULT.includes(kind));

const options: Record<string, OptionSpec> = {
  mask: {
    type: 'choice',
    default: 'surrogate',
    role: 'score',
    choices: ['surrogate', 'token', 'report'],
    text: {
      en: 'surrogate: made-up data of the same form; token: [PHONE_1]; report: change nothing, only count',
      zh: 'surrogate：替换为同样形式的虚构数据；token：替换为 [PHONE_1]；report：不修改，只统计',
    },
  },
  consistency: {
    type: 'choice',
    default: 'row',
    role: 'score',
    choices: ['row', 'project'],
    text: {
      en: 'where the same thing gets the same surrogate: in a row, or in all that is cleaned with the same key',
      zh: '同一数据在何范围内得到同一替代值：一行之内，或使用同一 key 的全部数据',
    },
  },
  key: {
    type: 'text',
    default: '',
    role: 'score',
    text: {
      en: 'secret from which surrogates are drawn (HMAC); with consistency project use a long random one',
      zh: '生成替代值的密钥（HMAC）；consistency 为 project 时请用足够长的随机串',
    },
  },
  kinds: {
    type: 'texts',
    default: ON,
    role: 'score',
    text: { en: `any of ${ENTITY_KINDS.join(', ')}`, zh: `可选 ${ENTITY_KINDS.join('、')}` },
  },
  countries: {
    type: 'texts',
    default: ['CN', 'US'],
    role: 'score',
    text: {
      en: 'countries whose phone numbers may stand without a country code, the likeliest first',
      zh: '电话号码可省略国家代码的国家，最可能的在前',
    },
  },
  max_found: {
    type: 'integer',
    default: null,
    role: 'decide',
    optional: true,
    min: 0,
    text: {
      en: 'most pieces of personal data in a row that is kept',
      zh: '保留的行中最多允许的个人信息处数',
    },
  },
  max_left: {
    type: 'integer',
    default: 0,
    role: 'decide',
    optional: true,
    min: 0,
    text: { en: 'pieces left unmasked without a flag', zh: '未遮盖而不标记的处数' },
  },
};

const reasons: Record<string, ReasonSpec> = {
  too_much_personal_data: {
    verdict: 'drop',
    rule: { score: 'found', when: 'above', option: 'max_found' },
    text: { en: 'the row has more personal data than allowed', zh: '个人信息超过允许的处数' },
  },
  personal_data_left: {
    verdict: 'keep',
    rule: { score: 'left', when: 'above', option: 'max_left' },
    text: { en: 'the row has personal data that was not masked', zh: '该行含有未遮盖的个人信息' },
  },
};
for (const kind of ENTITY_KINDS) {
  const { en, zh } = KIND_TEXT[kind];
  reasons[`${kind}_masked`] = { verdict: 'edit', text: { en: `${en} were masked`, zh: `${zh}已遮盖` } };
}

export const personalDataStep: RowStep = {
  kind: 'row',
  name: 'personal-data',
  version: 1,
  title: { en: 'Personal data', zh: '个人信息' },
  options,
  scores: {
    found: { en: 'pieces of personal data', zh: '个人信息处数' },
    left: { en: 'pieces left as they were', zh: '未遮盖的处数' },
  },
  reasons,
  create: (given) => {
    const kinds = new Set(given.kinds as EntityKind[]);
    const find = { kinds, countries: given.countries as string[] };
    const mask = given.mask as 'surrogate' | 'token' | 'report';
    return (row, found) => {
      const counts = new Map<EntityKind, number>();
      const replacement = replacer(row, mask, given.consistency === 'row', given.key as string);
      const masked = mapTexts(row, (text) => {
        const entities = findEntities(text, find);
        if (entities.length === 0) return text;
        let out = '';
        let done = 0;
        for (const entity of entities) {
          counts.set(entity.kind, (counts.get(entity.kind) ?? 0) + 1);
          const own = text.slice(entity.start, entity.end);
          out += text.slice(done, entity.start) + (mask === 'report' ? own : replacement(entity, own));
          done = entity.end;
        }
        return out + text.slice(done);
      });
      const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
      found.score('found', total);
      found.score('left', mask === 'report' ? total : 0);
      // What was masked is not repeated here: the ledger's samples are read by more people than its rows.
      if (masked !== row)
        for (const [kind, count] of counts) found.edited(`${kind}_masked`, count, KIND_TEXT[kind].en);
      return masked;
    };
  },
};

function replacer(
  row: CleanRow,
  mask: string,
  perRow: boolean,
  key: string,
): (entity: Entity, text: string) => string {
  if (mask === 'token') {
    const numbers = new Map<string, number>();
    const next = new Map<EntityKind, number>();
    return ({ kind, value }) => {
      const id = `${kind}\0${value}`;
      if (!numbers.has(id)) {
        next.set(kind, (next.get(kind) ?? 0) + 1);
        numbers.set(id, next.get(kind)!);
      }
      return `[${kind.toUpperCase()}_${numbers.get(id)}]`;
    };
  }
  // Hashing every row would cost more than looking for personal data in it.
  let own: string | null = null;
  return (entity, text) => {
    own ??= perRow ? `${key}\0${hash('sha256', rowToJson(row), 'hex')}` : key;
    return surrogateOf(entity, text, own);
  };
}
