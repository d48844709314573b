import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { findChromium, softwareGpuFlags } from './tools/backends/src/chromium.ts';

const tests = '{packages,apps,tools}/*/test/**/*.test.ts';
const browserTests = '{packages,apps,tools}/*/test/**/*.browser.test.ts';
const chromium = findChromium();

const node = {
  test: {
    name: 'node',
    include: [tests],
    exclude: [browserTests],
    globalSetup: ['tools/testkit/src/global-setup.ts'],
    setupFiles: ['tools/testkit/src/setup.ts'],
    // A worker is a process: Dawn reads its driver from the environment, of which threads have copies.
    pool: 'forks' as const,
    testTimeout: 120_000,
  },
};

const browser = {
  // Found by and by they would reload a page in the middle of its tests.
  optimizeDeps: {
    include: ['core', 'layers', 'backend-cpu', 'backend-wasm', 'backend-webgl', 'backend-webgpu'].map((name) => `@tensorflow/tfjs-${name}`),
  },
  test: {
    name: 'browser',
    include: [browserTests],
    testTimeout: 120_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath: chromium ?? 'chromium', args: softwareGpuFlags() } }),
      instances: [{ browser: 'chromium' as const }],
    },
  },
};

export default defineConfig({
  // All cores: Vitest would leave one of them idle, half of a small machine.
  test: { projects: chromium || process.env['CI'] === 'true' ? [node, browser] : [node], maxWorkers: '100%' },
});
