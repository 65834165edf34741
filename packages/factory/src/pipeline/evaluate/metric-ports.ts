// In: which metrics are asked for. Out: the packages that they need: jieba to cut Chinese, a validator of JSON schemas. Each
// is loaded only when a metric uses it.

import { FactoryError } from '#factory/errors.ts';
import { pythonJieba } from '#factory/eval/metrics/chinese-words.ts';
import type { MetricPorts } from '#factory/eval/metrics/definition.ts';
import type { MetricName } from '#factory/records/metric-names.ts';

export async function metricPorts(names: readonly MetricName[]): Promise<MetricPorts> {
  const ports: MetricPorts = {};
  if (names.some((name) => name.startsWith('rouge-') && name.endsWith('@llamafactory'))) {
    const [{ Jieba }, { dict }] = await Promise.all([
      import('@node-rs/jieba'),
      import('@node-rs/jieba/dict.js'),
    ]);
    const jieba = Jieba.withDict(dict);
    ports.segmentChinese = pythonJieba((text) => jieba.cut(text, true));
  }
  if (names.includes('json_schema')) {
    const { Ajv2020 } = await import('ajv/dist/2020.js');
    ports.jsonSchema = {
      compile(schema) {
        try {
          const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: false });
          const validate = ajv.compile(schema as object);
          return (value) => (validate(value) ? null : ajv.errorsText(validate.errors));
        } catch (cause) {
          throw new FactoryError({
            code: 'EVAL_BAD_OPTION',
            message: `options of metric json_schema: the schema cannot be used: ${(cause as Error).message}`,
            remedy: 'Correct the schema in the options of json_schema (JSON Schema 2020-12).',
            cause,
          });
        }
      },
    };
  }
  return ports;
}
