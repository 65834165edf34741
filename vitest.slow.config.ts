import { defineConfig } from 'vitest/config';
import { useSoftwareDriver } from './test/vulkan-driver.ts';

useSoftwareDriver(process.env);

// Suites that train, kill or fuzz at length; `npm run test:slow`.
export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.slow.test.ts', 'test/**/*.slow.test.ts', 'tools/**/*.slow.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: true,
  },
});
