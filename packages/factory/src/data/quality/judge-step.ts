// In: all rows, and a language model behind any OpenAI-compatible endpoint. Out: its score for each row, what that cost, and
// rows below a threshold. In no recipe by default: it costs time or money, and sends rows to the endpoint.
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { OptionSpec, SetStep } from '../clean-step.ts';
import { type JudgeSettings, openJudge } from './judge-client.ts';

const price = (en: string, zh: string): OptionSpec => ({
  type: 'number',
  default: 0,
  role: 'score',
  min: 0,
  text: { en, zh },
});

export const judgeStep: SetStep = {
  kind: 'set',
  name: 'judge',
  version: 1,
  title: { en: 'Score by a language model', zh: '大模型评分' },
  options: {
    base_url: {
      type: 'text',
      default: 'http://127.0.0.1:8000/v1',
      role: 'score',
      text: { en: 'where the endpoint is; rows are sent there', zh: '接口地址；数据行会发送到该处' },
    },
    model: { type: 'text', default: '', role: 'score', text: { en: 'name of the model', zh: '模型名称' } },
    api_key_env: {
      type: 'text',
      default: 'OPENAI_API_KEY',
      role: 'score',
      text: { en: 'environment variable that holds the key', zh: '存放密钥的环境变量' },
    },
    concurrency: {
      type: 'integer',
      default: 4,
      role: 'score',
      min: 1,
      max: 64,
      text: { en: 'requests at a time', zh: '同时请求数' },
    },
    input_price: price('price of a million prompt tokens', '每百万输入词元的价格'),
    output_price: price('price of a million answer tokens', '每百万输出词元的价格'),
    min_score: {
      type: 'number',
      default: 3,
      role: 'decide',
      optional: true,
      min: 1,
      max: 5,
      text: { en: 'least score of a row that is kept', zh: '保留行的最低分' },
    },
  },
  scores: {
    score: { en: 'score of the model (1 to 5, rubric 1)', zh: '模型评分（1 到 5，评分标准 1）' },
    prompt_tokens: { en: 'tokens of the request', zh: '请求词元数' },
    completion_tokens: { en: 'tokens of the judgement', zh: '评语词元数' },
    cost: { en: 'cost by the given prices', zh: '按给定价格的费用' },
  },
  labels: { reason: { en: 'what the model said', zh: '模型的理由' } },
  reasons: {
    judged_low: {
      verdict: 'drop',
      boundary: { score: 'score', option: 'min_score' },
      text: { en: 'a language model gave a low score', zh: '大模型评分过低' },
    },
    not_judged: {
      verdict: 'keep',
      text: { en: 'the language model gave no score', zh: '大模型没有给出分数' },
    },
  },
  async run(rows, options, { env, fetch, signal, cacheFolder, progress }) {
    const settings: JudgeSettings = {
      ...{ fetch, signal, cacheFolder },
      baseUrl: options.base_url as string,
      model: options.model as string,
      apiKey: env[options.api_key_env as string],
    };
    const judge = openJudge(settings);
    const columns = ['score', 'prompt_tokens', 'completion_tokens', 'cost'] as const;
    const scores = Object.fromEntries(
      columns.map((name) => [name, new Float64Array(rows.count).fill(Number.NaN)]),
    ) as Record<(typeof columns)[number], Float64Array>;
    const reason = new Array<string>(rows.count).fill('');
    let next = 0;
    let done = 0;
    const work = async () => {
      while (next < rows.count) {
        const index = next++;
        const { prompt, answer } = textsOf(rows.row(index));
        const judged = await judge(prompt, answer);
        scores.score[index] = judged.score;
        scores.prompt_tokens[index] = judged.promptTokens;
        scores.completion_tokens[index] = judged.completionTokens;
        scores.cost[index] =
          (judged.promptTokens * (options.input_price as number) +
            judged.completionTokens * (options.output_price as number)) /
          1e6;
        reason[index] = judged.reason;
        await progress(++done, rows.count);
      }
    };
    await Promise.all(Array.from({ length: options.concurrency as number }, work));
    const pairs = { a: new Uint32Array(), b: new Uint32Array(), value: new Float64Array() };
    return { scores, labels: { reason }, pairs };
  },
  *decide({ scores }, { min_score: least }, alive) {
    for (let row = 0; row < alive.length; row++) {
      if (alive[row] !== 1 || least === null) continue;
      const score = scores.score![row]!;
      const threshold = least as number;
      if (Number.isNaN(score)) yield { row, reason: 'not_judged', score, threshold, survivor: null };
      else if (score < threshold) yield { row, reason: 'judged_low', score, threshold, survivor: null };
    }
  },
};

function textsOf({ system, prompt, response }: CleanRow): { prompt: string; answer: string } {
  const turns = prompt.map(({ role, content }) => (prompt.length > 1 ? `${role}: ${content}` : content));
  return {
    prompt: [...(system === '' ? [] : [system]), ...turns].join('\n'),
    answer: response.find(({ content }) => content !== '')?.content ?? '',
  };
}
