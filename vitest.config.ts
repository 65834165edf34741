import { configDefaults, defineConfig } from 'vitest/config';
import { useSoftwareDriver } from './test/vulkan-driver.ts';

useSoftwareDriver(process.env);

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    exclude: [...configDefaults.exclude, '**/*.slow.test.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
