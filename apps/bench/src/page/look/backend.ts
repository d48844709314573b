import { findWebGl } from '@saccade/backends/browser';
import type { BackendName } from '@saccade/backends/names';

/**
 * Starts the first backend that can be had here: a GPU's, unless a CPU plays it, or else a CPU's.
 *
 * @param withGpu false once the GPU was lost: TensorFlow.js holds on to a backend, and would not start it anew
 */
export async function fastest(withGpu: boolean, start: (name: BackendName) => Promise<unknown>): Promise<BackendName> {
  const gpu = withGpu ? findWebGl() : null;
  const candidates: BackendName[] = gpu && !gpu.software ? ['webgl', 'wasm', 'cpu'] : ['wasm', 'cpu'];
  for (const name of candidates) {
    try {
      await start(name);
      return name;
    } catch (error) {
      if (name === candidates.at(-1)) throw error;
    }
  }
  throw new Error('No backend of TensorFlow.js runs in this browser.');
}
