import { NODE_BACKENDS, useBackend, type NodeBackendName } from '@saccade/backends';
import { afterAll, beforeAll, describe, inject } from 'vitest';

/** The backend of tests that name none. */
export const DEFAULT_BACKEND = 'cpu';

/** Describes the same tests on cpu, wasm and, where there is an adapter, WebGPU, or on some of these. */
export function onEachBackend(tests: (backend: NodeBackendName) => void, backends: readonly NodeBackendName[] = NODE_BACKENDS): void {
  for (const backend of backends) {
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

/**
 * Which of some cases a block is tested with on a backend: all; on WebGPU, which is software where tests run and compiles programs for each, the
 * first. In a browser all goldens run on it.
 */
export function casesOn<T>(backend: NodeBackendName, cases: readonly T[]): T[] {
  return cases.slice(0, backend === 'webgpu' ? 1 : undefined);
}
