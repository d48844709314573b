import { BACKENDS, useBackend, type BackendName } from '@saccade/backends';
import { afterAll, beforeAll, describe, inject } from 'vitest';

/** The backend of tests that name none. */
export const DEFAULT_BACKEND = 'cpu';

/** Describes the same tests on cpu, wasm and, where there is an adapter, WebGPU. */
export function onEachBackend(tests: (backend: BackendName) => void): void {
  for (const backend of BACKENDS) {
    describe.skipIf(backend === 'webgpu' && !inject('webgpu'))(`on ${backend}`, () => {
      beforeAll(async () => {
        await useBackend(backend);
      });
      afterAll(async () => {
        await useBackend(DEFAULT_BACKEND);
      });
      tests(backend);
    });
  }
}
