import { BACKENDS, requestWebGpu, useBackend, type BackendInUse, type BackendName } from '@saccade/backends';

export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

export interface BackendOptions {
  /**
   * Whether networks are to be trained. Latency is measured without: on the wasm backend as it is published, which is what an application gets
   * that only infers. wasm-train makes some products faster, those of baselines above all.
   */
  readonly training: boolean;
  /** The folder of the wasm backend's binaries, where they do not lie beside its code. */
  readonly wasmDir: string | null;
}

/**
 * Starts a backend in this process. `auto` is WebGPU where there is a hardware adapter, and wasm elsewhere: a software adapter is used
 * only when asked for by name.
 *
 * @throws where the backend cannot be had, saying what is missing
 */
export async function startBackend(choice: BackendChoice, options: BackendOptions): Promise<BackendInUse> {
  const name: BackendName = choice === 'auto' ? ((await requestWebGpu(false)) ? 'webgpu' : 'wasm') : choice;
  return useBackend(name, options);
}
