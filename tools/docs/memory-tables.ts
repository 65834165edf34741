// In: the newest result of `npm run bench -- memory`. Out: the guides to choose a method, in both languages, with the
// tables between their marks (<!-- classic -->, <!-- memory -->, <!-- large -->) made from it. Other text is left alone.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClassicRow } from '../../packages/factory/src/cli/plan-table.ts';

interface Run {
  shape: string;
  method: string;
  tokens: number;
  planned_gb: number;
  measured_gb: number;
  ratio: number;
}

interface Result {
  runs: Run[];
  limits: { shape: string; method: string; limit_gb: number }[];
  classic: ClassicRow[];
}

type Language = 'en' | 'zh';
type Table = (result: Result, language: Language) => { head: string[]; rows: string[][] };

const GUIDES: readonly [path: string, language: Language][] = [
  ['docs/guides/choose-a-method.md', 'en'],
  ['docs/guides/choose-a-method.zh-CN.md', 'zh'],
];
const RESULTS = 'benchmarks/memory/results';

/** Methods of the small runs, in the order of the table. */
const METHODS: Readonly<Record<string, readonly [en: string, zh: string]>> = {
  lora: ['LoRA', 'LoRA'],
  'lora-fp32': ['LoRA, float32 base', 'LoRA，float32 基座'],
  'lora-recompute': ['LoRA, all recomputed', 'LoRA，全部重算'],
  dora: ['DoRA', 'DoRA'],
  'qlora-8': ['QLoRA 8-bit', 'QLoRA 8 位'],
  'qlora-4': ['QLoRA 4-bit', 'QLoRA 4 位'],
  'lora-gguf': ['LoRA on GGUF (q4_0)', 'GGUF 上的 LoRA（q4_0）'],
  'lora-streamed': ['LoRA, base on the disk', 'LoRA，基座在磁盘'],
  'llama-pro': ['LLaMA-Pro, 2 blocks', 'LLaMA-Pro，2 块'],
  freeze: ['Freeze, last 2 layers', 'Freeze，最后 2 层'],
  full: ['Full', 'Full'],
  dpo: ['DPO by LoRA', 'LoRA 做 DPO'],
  'dpo-reference': ['DPO by LoRA, `ref_model`', 'LoRA 做 DPO，另有 `ref_model`'],
  rm: ['Reward model by LoRA', 'LoRA 训练奖励模型'],
  grpo: ['GRPO by LoRA', 'LoRA 做 GRPO'],
  ppo: ['PPO by LoRA', 'LoRA 做 PPO'],
  'grpo-freeze': ['GRPO by freeze, with a copy of the base', 'Freeze 做 GRPO，另有一份基座'],
};

const ofClassic: Readonly<Record<string, string>> = {
  'QLoRA 4-bit': 'QLoRA 4 位',
  'LoRA, base on disk': 'LoRA，基座在磁盘',
};

const titleOf = (method: string, language: Language) =>
  METHODS[method]?.[language === 'en' ? 0 : 1] ?? method;
const gb = (bytes: number) => (bytes / 1e9).toFixed(bytes < 9.995e9 ? 2 : 1);
const place = (names: readonly string[], name: string) => {
  const at = names.indexOf(name);
  return at < 0 ? names.length : at;
};

const TABLES: Readonly<Record<string, Table>> = {
  classic: ({ classic }, language) => ({
    head:
      language === 'en'
        ? [
            'model',
            'method',
            'tokens',
            'often quoted GB',
            'PyTorch on a GPU, formula GB',
            'Tunesmith, planned GB',
          ]
        : ['模型', '方法', 'token', '常见说法 GB', 'PyTorch 在 GPU 上（公式）GB', 'Tunesmith 规划 GB'],
    rows: classic.map((row) => [
      row.model,
      language === 'zh' ? (ofClassic[row.method] ?? row.method) : row.method,
      row.tokens.toLocaleString('en'),
      row.quotedGb === null ? '–' : String(row.quotedGb),
      row.gpuBytes === null ? '–' : gb(row.gpuBytes),
      gb(row.plannedBytes),
    ]),
  }),
  memory: ({ runs, limits }, language) => ({
    head:
      language === 'en'
        ? ['method', 'shape', 'planned GB', 'measured GB', 'planned / measured']
        : ['方法', '结构', '规划 GB', '实测 GB', '规划 / 实测'],
    rows: runs
      .filter(({ shape }) => !limits.some((limit) => limit.shape === shape))
      .sort((a, b) => {
        const names = Object.keys(METHODS);
        return place(names, a.method) - place(names, b.method) || (a.shape < b.shape ? -1 : 1);
      })
      .map((run) => [titleOf(run.method, language), `\`${run.shape}\``, ...measured(run)]),
  }),
  large: ({ runs, limits }, language) => ({
    head:
      language === 'en'
        ? ['model', 'method', 'tokens', 'aim GB', 'planned GB', 'measured GB', 'planned / measured']
        : ['模型', '方法', 'token', '目标 GB', '规划 GB', '实测 GB', '规划 / 实测'],
    rows: limits.map(({ shape, method, limit_gb }) => {
      const run = runs.find((one) => one.shape === shape && one.method === method);
      const facts = run ? measured(run) : ['–', '–', '–'];
      return [
        shape,
        titleOf(method, language),
        (run?.tokens ?? 1024).toLocaleString('en'),
        `≤ ${limit_gb}`,
        ...facts,
      ];
    }),
  }),
};

const measured = ({ planned_gb, measured_gb, ratio }: Run) =>
  [planned_gb, measured_gb, ratio].map((value) => value.toFixed(2));

/** Path → the page as it should be. */
export function memoryPages(root: string): Record<string, string> {
  const newest = readdirSync(join(root, RESULTS))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1);
  const result = JSON.parse(readFileSync(join(root, RESULTS, newest ?? ''), 'utf8')) as Result;
  return Object.fromEntries(
    GUIDES.map(([path, language]) => [
      path,
      withTables(readFileSync(join(root, path), 'utf8'), result, language),
    ]),
  );
}

/** A guide that has lost one of the marks keeps no table from being made: the mark is asked for. */
export function withTables(page: string, result: Result, language: Language): string {
  return Object.entries(TABLES).reduce((text, [name, table]) => {
    const [from, to] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`the guide has no marks ${from.trim()} … ${to.trim()}`);
    const { head, rows } = table(result, language);
    const lines = [head, head.map(() => '---'), ...rows].map((cells, i) =>
      i === 1 ? `|${cells.join('|')}|` : `| ${cells.join(' | ')} |`,
    );
    return `${text.slice(0, start + from.length)}\n${lines.join('\n')}\n${text.slice(end)}`;
  }, page);
}
