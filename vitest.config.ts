import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { findChromium, softwareGpuFlags } from './tools/backends/src/chromium.ts';

const tests = '{packages,apps,tools}/*/test/**/*.test.ts';
const browserTests = '{packages,apps,tools}/*/test/**/*.browser.test.ts';
/** What installs packages as a user does. */
const proofs = 'tools/{examples,release-test}/test/*.test.ts';
const chromium = findChromium();
/** Generous: the machines of CI are slow, and share their processors. */
const testTimeout = 240_000;

const node = {
  test: {
    name: 'node',
    include: [tests],
    exclude: [browserTests, proofs],
    globalSetup: ['tools/testkit/src/global-setup.ts'],
    setupFiles: ['tools/testkit/src/setup.ts'],
    // A worker is a process: Dawn reads its driver from the environment, of which threads have copies.
    pool: 'forks' as const,
    testTimeout,
  },
};

const proof = { test: { name: 'proof', include: [proofs], testTimeout } };

const browser = {
  // Found by and by they would reload a page in the middle of its tests.
  optimizeDeps: {
    include: ['core', 'layers', 'backend-cpu', 'backend-wasm', 'backend-webgl', 'backend-webgpu'].map((name) => `@tensorflow/tfjs-${name}`),
  },
  test: {
    name: 'browser',
    include: [browserTests],
    testTimeout,
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
  test: { projects: chromium || process.env['CI'] === 'true' ? [node, browser, proof] : [node, proof], maxWorkers: '100%' },
});
