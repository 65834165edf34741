// In: nothing. Out: which Vulkan driver the tests use: the one that VK_DRIVER_FILES names, or the software driver that
// Debian's chromium brings. Set before the workers start, because the loader's folder is read only then.
import { existsSync } from 'node:fs';

const FOLDER = '/usr/lib/chromium';
const DRIVER = `${FOLDER}/vk_swiftshader_icd.json`;

export function useSoftwareDriver(env: NodeJS.ProcessEnv): void {
  if (env.VK_DRIVER_FILES || !existsSync(DRIVER)) return;
  env.VK_DRIVER_FILES = DRIVER;
  // Behind what is set: a loader of the system is preferred.
  env.LD_LIBRARY_PATH = [env.LD_LIBRARY_PATH, '/usr/lib/x86_64-linux-gnu', FOLDER].filter(Boolean).join(':');
}
