import { BACKENDS, requestWebGpu, useBackend, type BackendInUse, type BackendName } from '@saccade/backends';

export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

/**
 * Starts a backend in this process. `auto` is WebGPU where there is a hardware adapter, and wasm elsewhere: a software adapter is used
 * only when asked for by name.
 *
 * @param wasmDir the folder of the wasm backend's binaries, where they do not lie beside its code
 * @throws where the backend cannot be had, saying what is missing
 */
export async function startBackend(choice: BackendChoice, wasmDir: string | null): Promise<BackendInUse> {
  const name: BackendName = choice === 'auto' ? ((await requestWebGpu(false)) ? 'webgpu' : 'wasm') : choice;
  if (name === 'wasm') await prepareWasm(wasmDir);
  return useBackend(name);
}

async function prepareWasm(wasmDir: string | null): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  if (wasmDir) setWasmPaths(`${wasmDir}/`);
  // The gradient kernels that the backend lacks: without them no convolution trains.
  await import('@saccade/wasm-train');
}
