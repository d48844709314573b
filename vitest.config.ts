import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{packages,apps,tools}/*/test/**/*.test.ts'],
    globalSetup: ['tools/testkit/src/global-setup.ts'],
    // A worker is a process: Dawn reads its driver from the environment, of which threads have copies.
    pool: 'forks',
    testTimeout: 120_000,
  },
});
