// In: nothing. Out: who may import whom. What is not here is forbidden. `import type` and `import()` count.
// Rows are top-level folders of a package's `src`, or single files beside them (without `.ts`).

export interface PackageLayers {
  /** The name that other packages import, and the prefix of its inner imports. */
  name: string;
  prefix: string;
  /** Files that every folder may import, and that import nothing but each other. */
  leaves: string[];
  /** Folder → folders of the same package, or names of other packages of ours. */
  allowed: Record<string, readonly string[]>;
}

/** The steps of the factory in the order of the data; none imports the next. */
const STEPS = [
  'data',
  'tokens',
  'model',
  'plan',
  'train',
  'rewards',
  'adapters',
  'eval',
  'export',
  'registry',
  'serve',
  'release',
  'monitor',
  'feedback',
  'launch',
] as const;

const ENGINE = '@tunesmith/engine';

export const LAYERS: Record<string, PackageLayers> = {
  'packages/engine': {
    name: ENGINE,
    prefix: '#engine/',
    leaves: ['errors', 'error-codes'],
    allowed: {
      graph: [],
      grad: ['graph'],
      compile: ['graph'],
      nn: ['graph', 'grad'],
      run: ['graph', 'compile'],
      optim: ['graph'],
      index: ['graph', 'grad', 'compile', 'nn', 'run', 'optim'],
    },
  },
  'packages/factory': {
    name: '@tunesmith/factory',
    prefix: '#factory/',
    leaves: ['errors', 'error-codes'],
    allowed: {
      records: [],
      store: ['records'],
      arguments: ['records'],
      data: ['records'],
      tokens: ['records'],
      // Checkpoint and adapter files are safetensors, whose layout is the store's.
      model: ['records', 'store', ENGINE],
      plan: ['records'],
      train: ['records', 'model', ENGINE],
      rewards: ['records'],
      adapters: ['records', 'store'],
      eval: ['records'],
      export: ['records', 'store'],
      registry: ['records', 'store'],
      serve: ['records', 'store'],
      release: ['records'],
      monitor: ['records'],
      feedback: ['records', 'store'],
      launch: ['records', 'store'],
      // A shell like cli, which is the only one to import it.
      quickstart: ['records', 'store', 'arguments', 'data', 'eval', 'pipeline'],
      contract: ['records'],
      pipeline: ['records', 'store', 'arguments', ...STEPS, ENGINE],
      http: ['records', 'store', 'arguments', 'contract', 'pipeline', ...STEPS],
      cli: ['records', 'store', 'arguments', 'quickstart', 'pipeline', 'http', ...STEPS, ENGINE],
    },
  },
  'packages/web': {
    name: '@tunesmith/web',
    prefix: '#web/',
    leaves: [],
    allowed: { routes: ['ui', 'api'], ui: [], api: ['@tunesmith/factory'] },
  },
};

/** Packages from npm that only one place may import. */
export const PRIVATE_PACKAGES: Record<string, readonly string[]> = {
  'onnxruntime-node': ['packages/engine/src/run/'],
  'onnxruntime-common': ['packages/engine/src/run/'],
  '@huggingface/tokenizers': ['packages/factory/src/tokens/'],
  '@resvg/resvg-js': ['packages/factory/src/store/'],
  '@duckdb/node-api': ['packages/factory/src/store/'],
  koffi: ['packages/factory/src/export/quantise/', 'packages/factory/src/pipeline/quantise-model.test.ts'],
  kysely: ['packages/factory/src/store/'],
  'node-llama-cpp': ['packages/factory/src/serve/llama/'],
};

/** The one file that may import what a user names: code that is no part of any layer. */
export const IMPORTS_USER_CODE = 'packages/factory/src/cli/import-user-code.ts';
