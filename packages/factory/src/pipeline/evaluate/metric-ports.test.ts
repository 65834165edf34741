import { describe, expect, it } from 'vitest';
import { metricPorts } from './metric-ports.ts';

describe('what metrics need from outside', () => {
  it('is not loaded unless a metric asks for it', async () => {
    expect(await metricPorts(['accuracy', 'chrf'])).toEqual({});
  });

  it('cuts Chinese as jieba 0.42.1 does', async () => {
    const { segmentChinese } = await metricPorts(['rouge-1@llamafactory']);
    const cut = (text: string) => segmentChinese?.(text).join('/');
    expect(cut('我来到北京清华大学')).toBe('我/来到/北京/清华大学');
    expect(cut('他来到了网易杭研大厦')).toBe('他/来到/了/网易/杭研/大厦');
    expect(cut('南京市长江大桥')).toBe('南京市/长江大桥');
    expect(cut('价格¥99.5元，v1.2.3')).toBe('价格/¥/99.5/元/，/v1.2/./3');
  });

  it('validates JSON schemas, and refuses what is none', async () => {
    const { jsonSchema } = await metricPorts(['json_schema']);
    const problemOf = jsonSchema?.compile({
      type: 'object',
      required: ['intent'],
      properties: { n: { minimum: 2 } },
    });
    expect(problemOf?.({ intent: 'refund', n: 2 })).toBeNull();
    expect(problemOf?.({ n: 3 })).toMatch(/intent/);
    expect(problemOf?.({ intent: 'x', n: 1 })).toMatch(/>= 2/);
    expect(() => jsonSchema?.compile({ type: 'nothing' })).toThrow(/the schema cannot be used/);
  });
});
