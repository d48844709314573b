import { requestWebGpu } from '@saccade/backends';
import { findChromium } from '@saccade/backends/chromium';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether tests can run on WebGPU here. */
    readonly webgpu: boolean;
  }
}

/** Says once which WebGPU adapter and which browser the tests found. Where there is none, its tests are skipped, or fail under `CI=true`. */
export default async function setup(project: TestProject): Promise<void> {
  const fate = process.env['CI'] === 'true' ? 'its tests fail' : 'its tests are skipped';
  const adapter = await requestWebGpu(true);
  project.provide('webgpu', adapter !== null || process.env['CI'] === 'true');
  if (adapter) console.log(`WebGPU: ${adapter.device}${adapter.software ? ' (software)' : ''}`);
  else console.log(`WebGPU: no adapter; ${fate}. Install chromium and libvulkan1 for a software one.`);
  console.log(`Browser: ${findChromium() ?? `none; ${fate}. Install chromium, or name one in CHROME_PATH.`}`);
}
