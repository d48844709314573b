import * as os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of the core ops; core alone has none in Node.
import '@tensorflow/tfjs-layers';
import type { BackendInUse } from './names.ts';
import { requestWebGpu } from './webgpu.ts';

/** Those of {@link BACKENDS} that run in Node. */
export const NODE_BACKENDS = ['cpu', 'wasm', 'webgpu'] as const;
export type NodeBackendName = (typeof NODE_BACKENDS)[number];

export function isNodeBackendName(name: string): name is NodeBackendName {
  return (NODE_BACKENDS as readonly string[]).includes(name);
}

export interface BackendOptions {
  /** Whether SwiftShader may stand in for a GPU. Default: true. */
  readonly allowSoftware?: boolean;
  /** Whether wasm gets `@saccade/wasm-train`, which brings what training lacks, and makes some products faster. Default: true. */
  readonly training?: boolean;
  /** The folder of the wasm backend's binaries. Default: null, beside its code. */
  readonly wasmDir?: string | null;
}

let webgpu: BackendInUse | undefined;

/**
 * Makes `name` the current TensorFlow.js backend of this process.
 *
 * @throws if the backend cannot be had here, saying what is missing.
 */
export async function useBackend(
  name: NodeBackendName,
  { allowSoftware = true, training = true, wasmDir = null }: BackendOptions = {},
): Promise<BackendInUse> {
  // Without it the cpu backend greets every process on stderr.
  tf.enableProdMode();
  if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (name === 'wasm') await importWasm(training, wasmDir);
  const inUse =
    name === 'webgpu' ? await startWebGpu(allowSoftware) : { name, device: os.cpus()[0]?.model.trim() ?? 'unknown CPU', software: false, threads: 1 };
  if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js could not start its ${name} backend.`);
  await tf.ready();
  return inUse;
}

async function importWasm(training: boolean, wasmDir: string | null): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  if (wasmDir) setWasmPaths(`${wasmDir}/`);
  if (training) await import('@saccade/wasm-train');
}

async function startWebGpu(allowSoftware: boolean): Promise<BackendInUse> {
  if (webgpu) return webgpu;
  const adapter = await requestWebGpu(allowSoftware);
  if (!adapter) {
    throw new Error(
      allowSoftware
        ? 'No WebGPU adapter: Dawn found neither a GPU driver nor SwiftShader. Install libvulkan1 and a GPU driver, or Chromium, which brings SwiftShader.'
        : 'No hardware WebGPU adapter: Dawn found no GPU driver. Install libvulkan1 and the GPU driver, or allow a software adapter.',
    );
  }
  // The device and its queue: tfjs asks navigator.gpu when the backend is imported.
  await import('@tensorflow/tfjs-backend-webgpu');
  // Small tensors must not slip away to the cpu backend.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  webgpu = { name: 'webgpu', ...adapter, threads: 1 };
  return webgpu;
}
