// Adapter export through the real command line: what PEFT's own conversion of a PiSSA adapter computes, the base that an adapter
// was trained on, and folders that are whole or not there.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loraScale, mergeIntoWeights } from '../../packages/factory/src/adapters/merge.ts';
import { readPeftAdapter } from '../../packages/factory/src/adapters/peft.ts';
import { ended, exportHere, makeWorld, readJson, start, type World } from './tiny-world.ts';

const VARIANTS = fileURLToPath(new URL('../parity/variants/', import.meta.url));

let world: World;
let smallDisk: string | null = null;
beforeAll(async () => {
  world = makeWorld('llama');
  const dir = world.at('small-disk');
  mkdirSync(dir);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
  if (mounted.status === 0) smallDisk = dir;
  const run = await world.train('dora', { use_dora: true, lora_target: 'all', max_steps: 2 });
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
});
afterAll(() => {
  if (smallDisk) spawnSync('umount', [smallDisk]);
  world.dispose();
});

const words = (adapter: string, output: string, ...more: string[]) => [
  ...['--to', 'adapter', '--model_name_or_path', world.model],
  ...['--adapter_name_or_path', adapter, '--export_dir', output, ...more],
];
const exported = (adapter: string, output: string, ...more: string[]) =>
  exportHere(words(adapter, output, ...more));

/** The change of every weight that an adapter makes. */
async function deltas(dir: string): Promise<Map<string, Float32Array>> {
  const adapter = await readPeftAdapter(dir);
  return new Map(
    adapter.pairs.map((pair) => {
      const zero = new Float32Array(pair.outFeatures * pair.inFeatures);
      return [pair.module, mergeIntoWeights(pair.module, zero, pair, loraScale(adapter, pair))];
    }),
  );
}

test('PiSSA becomes the LoRA of twice the rank that peft makes of it', async () => {
  mkdirSync(world.at('pissa'));
  cpSync(join(VARIANTS, 'pissa', 'adapter_config.json'), world.at('pissa', 'adapter_config.json'));
  cpSync(join(VARIANTS, 'pissa-after20.safetensors'), world.at('pissa', 'adapter_model.safetensors'));
  const run = await exported(world.at('pissa'), world.at('plain'), '--json');
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  expect(JSON.parse(run.out).parity).toMatchObject({ topTokenAgreement: 1 });
  expect(readJson(world.at('plain'), 'adapter_config.json')).toMatchObject({
    r: 6,
    lora_alpha: 12,
    init_lora_weights: true,
    base_model_name_or_path: world.model,
  });
  const own = await deltas(world.at('plain'));
  const theirs = await deltas(join(VARIANTS, 'pissa-converted'));
  expect([...own.keys()].sort()).toEqual([...theirs.keys()].sort());
  for (const [module, delta] of theirs) {
    const size = Math.max(...delta.map(Math.abs));
    const apart = Math.max(...delta.map((v, i) => Math.abs(v - (own.get(module) as Float32Array)[i])));
    expect(apart / size, module).toBeLessThan(1e-3);
  }
});

test('DoRA stays DoRA, with the template that it was trained with; verify finds a change', async () => {
  const run = await exported(world.at('dora'), world.at('copy'));
  expect([run.status, run.err]).toEqual([0, expect.stringMatching(/vLLM loads no adapters with DoRA/)]);
  const weights = (dir: string) => readFileSync(world.at(dir, 'adapter_model.safetensors'));
  expect(weights('copy').equals(weights('dora'))).toBe(true);
  expect(readdirSync(world.at('copy'))).toEqual(
    expect.arrayContaining([
      'README.md',
      'chat_template.jinja',
      'tokenizer.json',
      'tunesmith_base.json',
      'export_parity.json',
    ]),
  );
  expect(readFileSync(world.at('copy', 'chat_template.jinja'), 'utf8')).toMatch(/'Human: ' \+ content/);
  expect((await exportHere(['verify', world.at('copy')])).status).toBe(0);
  writeFileSync(world.at('copy', 'adapter_config.json'), '{}');
  expect((await exportHere(['verify', world.at('copy')])).status).toBe(1);
});

test('another base with the same shapes is refused, unless forced', async () => {
  cpSync(world.model, world.at('other'), { recursive: true });
  const path = world.at('other', 'model.safetensors');
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
  const other = ['--model_name_or_path', world.at('other')];
  const run = await exported(world.at('dora'), world.at('none'), ...other);
  expect([run.status, run.err]).toEqual([2, expect.stringMatching(/ADAPTERS_MISMATCH.*trained on/s)]);
  expect(existsSync(world.at('none'))).toBe(false);
  const merged = await exported(world.at('dora'), world.at('none'), ...other, '--to', 'merged');
  expect([merged.status, merged.err]).toEqual([2, expect.stringMatching(/ADAPTERS_MISMATCH/)]);
  const forced = await exported(world.at('dora'), world.at('forced'), ...other, '--force', 'true');
  expect([forced.status, forced.status === 0 ? '' : forced.err]).toEqual([0, expect.anything()]);
});

test('refusals name the key and leave no folder', async () => {
  const two = await exported(`${world.at('dora')},${world.at('dora')}`, world.at('none'));
  expect([two.status, two.err]).toEqual([
    2,
    expect.stringMatching(/EXPORT_UNSUPPORTED.*expected one adapter/s),
  ]);
  const typed = await exported(world.at('dora'), world.at('none'), '--export_dtype', 'float16');
  expect([typed.status, typed.err]).toEqual([
    2,
    expect.stringMatching(/export_dtype: expected auto or float32/),
  ]);
  const full = await exported(world.at('dora'), world.at('dora'));
  expect([full.status, full.err]).toEqual([2, expect.stringMatching(/export_dir .* is not empty/)]);
  expect(existsSync(world.at('none'))).toBe(false);
});

test('a full disk leaves nothing', async (context) => {
  if (!smallDisk)
    return context.skip('a small disk can be made by the administrator of a Linux machine only');
  const big = await exported(
    world.at('dora'),
    `${smallDisk}/merged`,
    '--to',
    'merged',
    '--export_dtype',
    'float32',
  );
  expect([big.status, big.status === 0 ? '' : big.err]).toEqual([0, '']);
  const { bytes } = readJson<{ files: Record<string, { bytes: number }> }>(
    `${smallDisk}/merged`,
    'tunesmith_export.json',
  ).files['model.safetensors'];
  const free = Number(
    spawnSync('df', ['--output=avail', '-B1', smallDisk], { encoding: 'utf8' }).stdout.split('\n')[1],
  );
  writeFileSync(`${smallDisk}/filler`, Buffer.alloc(Math.max(0, free - bytes - 8192)));
  const run = await exported(
    world.at('dora'),
    `${smallDisk}/again`,
    '--to',
    'merged',
    '--export_dtype',
    'float32',
  );
  expect([run.status, run.err]).toEqual([3, expect.stringMatching(/STORE_DISK_FULL/)]);
  expect(readdirSync(smallDisk).sort()).toEqual(['filler', 'merged']);
});

test('a killed export leaves no folder, and the next one clears what it left', async () => {
  const child = start(['export', ...words(world.at('dora'), world.at('killed'))]);
  const isBegun = () => readdirSync(world.dir).some((name) => name.startsWith('killed.tmp-'));
  const watch = setInterval(() => {
    if (isBegun()) child.kill('SIGKILL');
  }, 2);
  await ended(child);
  clearInterval(watch);
  expect(existsSync(world.at('killed'))).toBe(false);
  expect(isBegun()).toBe(true);
  expect((await exported(world.at('dora'), world.at('killed'))).status).toBe(0);
  expect(isBegun()).toBe(false);
});
