import { BACKENDS, requestWebGpu, useBackend, type BackendInUse, type BackendName } from '@saccade/backends';
import { enableProdMode, ready, setBackend } from '@tensorflow/tfjs-core';
import { machine } from './environment.ts';

export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

export interface BackendOptions {
  /** Whether networks are to be trained. */
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
export async function startBackend(choice: BackendChoice, { training, wasmDir }: BackendOptions): Promise<BackendInUse> {
  const name: BackendName = choice === 'auto' ? ((await requestWebGpu(false)) ? 'webgpu' : 'wasm') : choice;
  return name === 'wasm' ? startWasm(training, wasmDir) : useBackend(name);
}

// Latency is measured on the backend as it is published, which is what an application gets that only infers. wasm-train adds what training
// lacks, and makes some products faster, those of baselines above all.
async function startWasm(training: boolean, wasmDir: string | null): Promise<BackendInUse> {
  enableProdMode();
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  if (wasmDir) setWasmPaths(`${wasmDir}/`);
  if (training) await import('@saccade/wasm-train');
  if (!(await setBackend('wasm'))) throw new Error('TensorFlow.js could not start its wasm backend.');
  await ready();
  return { name: 'wasm', device: machine().cpu, software: false };
}
