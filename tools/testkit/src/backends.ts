import { BACKENDS, useBackend, type BackendName } from '@saccade/backends';
import { beforeAll, describe, inject } from 'vitest';

/** Describes the same tests on cpu, wasm and, where there is an adapter, WebGPU. */
export function onEachBackend(tests: (backend: BackendName) => void): void {
  for (const backend of BACKENDS) {
    describe.skipIf(backend === 'webgpu' && !inject('webgpu'))(`on ${backend}`, () => {
      beforeAll(async () => {
        await useBackend(backend);
      });
      tests(backend);
    });
  }
}
