import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*', 'tools/*'],
    // A worker is a process: Dawn reads its driver from the environment, which threads have copies of.
    pool: 'forks',
    testTimeout: 120_000,
  },
});
