import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const BIN = fileURLToPath(new URL('../../bin/tunesmith.js', import.meta.url));

function run(words: string[], input = '') {
  const done = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', input });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunesmith-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('exit status and error text', () => {
  it('ends with 0 for help, without a command too', () => {
    for (const words of [
      [],
      ['help'],
      ['--help'],
      ['version'],
      ['--version'],
      ['train', '--help'],
      ['help', 'lora_rank'],
    ]) {
      const { status, err } = run(words);
      expect([words, status, err]).toEqual([words, 0, '']);
    }
  });

  it('ends with 2 and three lines for a wrong command', () => {
    const { status, out, err } = run(['trian']);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(
      /^error CLI_UNKNOWN_COMMAND: expected one of train, .*"trian"; did you mean train\?\n {2}remedy: Write "tunesmith train"\.\n$/,
    );
  });

  it('ends with 2 for wrong arguments, and names them', () => {
    const { status, err } = run([
      'train',
      '--model_name_or_path',
      'M',
      '--do_train',
      '--quantization_bit',
      '4',
      '--use_swanlab',
    ]);
    expect(status).toBe(2);
    expect(err).toMatch(/^error ARGS_NOT_SUPPORTED: use_swanlab is refused: /);
    expect(err).toMatch(/\n {2}remedy: Remove use_swanlab\.\n$/);
  });

  it('gives a JSON object with --json', () => {
    const { status, err } = run(['train', '--json', '--lora_rnak', '8']);
    expect(status).toBe(2);
    const { error } = JSON.parse(err);
    expect(error).toMatchObject({
      code: 'ARGS_UNKNOWN_KEY',
      remedy: 'Write lora_rank instead of lora_rnak.',
    });
    expect(error.details.problems).toHaveLength(1);
  });

  it('ends with 2 for a configuration that is not there, binary, or a folder', () => {
    const binary = join(folder, 'binary.yaml');
    writeFileSync(binary, Buffer.from([0xff, 0xfe, 0, 1, 2, 3, 0x80]));
    for (const path of [join(folder, 'gone.yaml'), binary, folder]) {
      const { status, err } = run(['train', path.endsWith('.yaml') ? path : `${path}/.yaml`]);
      expect([path, status]).toEqual([path, 2]);
      expect(err).toMatch(/^error ARGS_(FILE|UNKNOWN_KEY)/);
    }
  });

  it('ends with 2 for help on nothing known, and for a missing prompt', () => {
    expect(run(['help', 'lora-rnk']).err).toMatch(/did you mean lora_rank\?/);
    expect(run(['help', 'a', 'b']).status).toBe(2);
    expect(run(['completion', 'tcsh']).status).toBe(2);
    expect(run(['generate', '--prompt', 'hi']).err).toMatch(/ARGS_MISSING: model_name_or_path/);
    expect(run(['generate', '--model_name_or_path', 'M'], '').err).toMatch(
      /ARGS_MISSING: the prompt is empty/,
    );
    expect(run(['generate', '--model_name_or_path', 'M', '--prompt', 'a', '--chat']).err).toMatch(
      /prompt and chat exclude/,
    );
    expect(run(['generate', '--model_name_or_path', 'M', '--prompt', 'a', '--promt', 'b']).err).toMatch(
      /did you mean prompt\?/,
    );
  });

  it('survives a reader that goes away', async () => {
    const child = spawn(process.execPath, [MAIN, 'help', 'train'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const status = await new Promise((resolve) => child.on('exit', resolve));
    expect([status, err]).toEqual([0, '']);
  });
});

describe('pages', () => {
  it('shows every key in groups, with defaults and status', () => {
    const { out } = run(['help', 'train']);
    expect(out).toMatch(/^Fine-tuning:$/m);
    expect(out).toMatch(/^ {2}lora_rank +int +8 +rank of the LoRA matrices$/m);
    expect(out).toMatch(/^ {2}use_swanlab +bool +false .*\[refused: SwanLab is not supported yet; .*\]$/m);
    expect(out).toMatch(/^ {2}ddp_timeout .*\[no effect\]$/m);
    expect(out).toMatch(/^ {2}stage +enum +sft .*\(pt, sft, rm, ppo, dpo, kto, grpo, orpo\)$/m);
  });

  it('gives the same as JSON', () => {
    const page = JSON.parse(run(['help', 'train', '--json']).out);
    expect(page.keys.length).toBeGreaterThan(400);
    expect(page.keys.find((key: { name: string }) => key.name === 'lora_rank')).toMatchObject({
      default: 8,
      status: 'supported',
    });
    expect(page.renamed.sft_packing).toBe('packing');
  });

  it('explains one key, under an older name too', () => {
    expect(run(['help', '--num-layer-trainable']).out).toMatch(
      /^freeze_trainable_layers .*\n {2}num_layer_trainable is its older name/,
    );
    expect(run(['help', 'pref_loss']).out).toMatch(/refused value kto_pair: LLaMA-Factory takes it/);
    expect(run(['help', 'generate']).out).toMatch(/--chat/);
  });

  it('describes the machine', () => {
    const facts = JSON.parse(run(['env', '--json', '--output_dir', folder]).out);
    expect(facts.node).toBe(process.version);
    expect(facts).toMatchObject({ output_dir: folder, output_dir_writable: true });
    expect(facts.backend_webgpu).toMatch(/^(yes, with(out)? 16-bit floats|no: backend webgpu: .+)$/);
    expect(facts.backend_cuda).toMatch(/^(yes|no: backend cuda: .+)$/);
    expect(facts.cores).toBeGreaterThan(0);
    expect(facts.memory_total_bytes).toBeGreaterThan(1e8);
    expect(run(['env', '--disk']).status).toBe(2);
  });
});

describe('start-up', () => {
  /** Modules loaded by a command, seen through a loader hook that prints every resolved file. */
  function modulesOf(words: string[]): string[] {
    const hook = join(folder, 'trace.mjs');
    writeFileSync(
      hook,
      `import { registerHooks } from 'node:module';
import { appendFileSync } from 'node:fs';
registerHooks({ load(url, context, next) { appendFileSync(process.env.TRACE_FILE, url + '\\n'); return next(url, context); } });`,
    );
    const trace = join(folder, `trace-${words.join('-').replaceAll(/\W/g, '')}.txt`);
    writeFileSync(trace, '');
    const env = { ...process.env, TRACE_FILE: trace };
    spawnSync(process.execPath, ['--import', pathToFileURL(hook).href, MAIN, ...words], {
      encoding: 'utf8',
      env,
    });
    return execFileSync('cat', [trace], { encoding: 'utf8' }).trim().split('\n');
  }

  it.each([[['help']], [['version']]])('%s loads nothing but the shell', (words) => {
    const files = modulesOf(words).filter((url) => url.startsWith('file:'));
    expect(files.length).toBeGreaterThan(3);
    expect(files.filter((url) => url.includes('/node_modules/'))).toEqual([]);
    expect(files.filter((url) => !/\/src\/(cli\/|errors\.ts|error-codes\.ts)/.test(url))).toEqual([]);
  });

  it.each([[['help', 'train']], [['completion', 'bash']], [['train', '--lora_rnak', '8']]])(
    '%s loads no engine, model or data code',
    (words) => {
      const files = modulesOf(words).filter((url) => url.startsWith('file:'));
      const heavy =
        /onnxruntime|hugging|hyparquet|zod|resvg|packages\/engine|\/src\/(model|train|tokens|data|pipeline)/;
      expect(files.some((url) => url.includes('/src/arguments/table.ts'))).toBe(true);
      expect(files.filter((url) => heavy.test(url))).toEqual([]);
    },
  );
});

describe('completion', () => {
  it('is valid bash and completes commands, keys and values', () => {
    const script = run(['completion', 'bash']).out;
    const ask = (...line: string[]) =>
      execFileSync(
        'bash',
        [
          '-c',
          `${script}\nCOMP_WORDS=(${line.map((one) => `"${one}"`).join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _tunesmith; echo "\${COMPREPLY[@]}"`,
        ],
        {
          encoding: 'utf8',
        },
      ).trim();
    expect(ask('tunesmith', 'tr')).toBe('train');
    expect(ask('tunesmith', 'train', '--lora_ra')).toBe('--lora_rank');
    expect(ask('tunesmith', 'train', '--stage', '')).toBe('pt sft rm ppo dpo kto grpo orpo');
    expect(ask('tunesmith', 'generate', '--prompt_')).toBe('--prompt_file');
    expect(ask('tunesmith', 'completion', '')).toBe('bash zsh fish');
    expect(ask('tunesmith', 'data', 'cl')).toBe('clean');
    expect(ask('tunesmith', 'data', 'clean', 'rows.jsonl', '--rec')).toBe('--recipe');
    expect(ask('tunesmith', 'data', 'clean', '--to', 'pa')).toBe('parquet');
    expect(ask('tunesmith', 'data', 'why', '--re')).toBe('');
    expect(ask('tunesmith', 'eval', 'verdict', '--fl')).toBe('--flips');
    expect(ask('tunesmith', 'eval', 'compare', '--correction', '')).toBe('holm bh');
    expect(ask('tunesmith', 'keys', 'cr')).toBe('create');
    expect(ask('tunesmith', 'serve', '--ho')).toBe('--host');
    expect(ask('tunesmith', 'quantize', '--ty')).toBe('--type');
  });

  it('offers zsh and fish', () => {
    expect(run(['completion', 'zsh']).out).toMatch(/bashcompinit/);
    expect(run(['completion', 'fish']).out).toMatch(/-l lora_rank -d 'rank of the LoRA matrices' -r/);
    expect(run(['completion', 'fish']).out).toMatch(
      /'__fish_seen_subcommand_from data; and __fish_seen_subcommand_from clean' -l recipe/,
    );
  });
});

describe('bin/tunesmith.js', () => {
  const olderNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
    const version = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return version.status === 0 && Number(/^v(\d+)/.exec(version.stdout)?.[1]) < 24;
  });

  it('runs the shell and passes its status on', () => {
    const done = spawnSync(process.execPath, [BIN, 'trian'], { encoding: 'utf8' });
    expect(done.status).toBe(2);
    expect(done.stderr).toMatch(/^error CLI_UNKNOWN_COMMAND/);
    expect(spawnSync(process.execPath, [BIN, 'version'], { encoding: 'utf8' }).stdout).toMatch(
      /^tunesmith \d/,
    );
  });

  it.skipIf(olderNode === undefined)('starts the Node of the project under an older Node', () => {
    const done = spawnSync(olderNode!, [BIN, 'env', '--json'], { encoding: 'utf8' });
    expect(Number(/^v(\d+)/.exec(JSON.parse(done.stdout).node)?.[1])).toBeGreaterThanOrEqual(24);
    expect(spawnSync(olderNode!, [BIN, 'trian'], { encoding: 'utf8' }).status).toBe(2);
  });

  it.skipIf(olderNode === undefined)('says what is missing when there is no newer Node', () => {
    const copy = join(folder, 'bin', 'tunesmith.mjs');
    execFileSync('mkdir', ['-p', join(folder, 'bin')]);
    execFileSync('cp', [BIN, copy]);
    const done = spawnSync(olderNode!, [copy, 'help'], { encoding: 'utf8', cwd: folder });
    expect(done.status).toBe(3);
    expect(done.stderr).toMatch(
      /^error ENV_NODE_VERSION: expected Node 24 or newer, found .*\n {2}remedy: Run "npm ci"/,
    );
  });
});
