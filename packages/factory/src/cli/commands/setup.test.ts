// `setup cuda` says what it lacks: words, platform, driver, network.
import { existsSync } from 'node:fs';
import { runtimeFolder } from '@tunesmith/engine';
import { expect, test } from 'vitest';
import { setup } from './setup.ts';

const terminal = { out: () => {}, err: () => {} } as unknown as Parameters<typeof setup>[0]['terminal'];
const isLinux = process.platform === 'linux' && process.arch === 'x64';
const hasDriver = ['/dev/nvidiactl', '/dev/dxg', '/proc/driver/nvidia/version'].some((path) =>
  existsSync(path),
);
const isInstalled = existsSync(new URL('libonnxruntime_providers_cuda.so', runtimeFolder()));

test.each([[[]], [['rocm']], [['cuda', 'now']]])('%j is not understood', async (words) => {
  await expect(setup({ words, json: false, terminal, env: {} })).rejects.toMatchObject({
    code: 'CLI_USAGE',
    remedy: 'Write "tunesmith setup cuda".',
  });
});

test.skipIf(!isLinux || hasDriver)('without a driver nothing is downloaded', async () => {
  await expect(setup({ words: ['cuda'], json: false, terminal, env: {} })).rejects.toMatchObject({
    code: 'SETUP_UNSUPPORTED',
    message: expect.stringMatching(/expected a driver of NVIDIA, .*nothing was downloaded/),
    remedy: expect.stringContaining('--without_gpu'),
  });
});

test.skipIf(!isLinux || isInstalled)('without a network it names the package and the folder', async () => {
  // Nothing listens there.
  const env = { GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9' };
  await expect(setup({ words: ['cuda', '--without_gpu'], json: false, terminal, env })).rejects.toMatchObject(
    {
      code: 'SETUP_FAILED',
      message: expect.stringMatching(/status \d+ \(.+\); expected libonnxruntime_providers_cuda\.so/),
      remedy: expect.stringMatching(/GLOBAL_AGENT_HTTPS_PROXY.*Microsoft\.ML\.OnnxRuntime\.Gpu\.Linux/),
    },
  );
});
