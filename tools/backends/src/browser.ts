import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of the core ops.
import '@tensorflow/tfjs-layers';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import { gpuName, isSoftware, type BackendInUse, type BackendName } from './names.ts';

export interface BrowserBackendOptions {
  /** Whether wasm gets `@saccade/wasm-train`, which brings what training lacks. Default: true. */
  readonly training?: boolean;
  /** Threads of wasm; more than 1 need a cross-origin isolated page. Default: 1. */
  readonly threads?: number;
  /** Told why, should the GPU be lost. */
  readonly onLost?: (reason: string) => void;
}

/** A graphics processor as a page sees it. */
export interface Gpu {
  readonly device: string;
  readonly software: boolean;
}

/**
 * Makes `name` the current TensorFlow.js backend of this page or worker.
 *
 * @throws if the backend cannot be had here, saying what is missing.
 */
export async function useBackend(
  name: BackendName,
  { training = true, threads = 1, onLost = () => undefined }: BrowserBackendOptions = {},
): Promise<BackendInUse> {
  tf.enableProdMode();
  const inUse = { name, ...(await START[name]({ training, threads, onLost })) };
  if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js could not start its ${name} backend in this browser.`);
  await tf.ready();
  watch(name, onLost);
  return { threads: 1, ...inUse };
}

/** The GPU that WebGPU computes on here, or null where there is none. */
export async function findWebGpu(): Promise<Gpu | null> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return null;
  const device = gpuName(adapter.info);
  return { device, software: isSoftware(`${device} ${adapter.info.description}`) };
}

/** The GPU that WebGL 2 computes on here, or null where there is none. */
export function findWebGl(): Gpu | null {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) return null;
  const unmasked = gl.getExtension('WEBGL_debug_renderer_info');
  const device = String(gl.getParameter(unmasked ? unmasked.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return { device, software: isSoftware(device) };
}

type Start = (options: Required<BrowserBackendOptions>) => Promise<Gpu & { threads?: number }>;

const CPU = { device: 'CPU', software: false };

const START: Record<BackendName, Start> = {
  cpu: async () => {
    await import('@tensorflow/tfjs-backend-cpu');
    return CPU;
  },
  wasm: async ({ training, threads }) => {
    const { setThreadsCount, setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths({
      'tfjs-backend-wasm.wasm': wasmUrl,
      'tfjs-backend-wasm-simd.wasm': simdUrl,
      'tfjs-backend-wasm-threaded-simd.wasm': threadedUrl,
    });
    if (threads > 1 && !globalThis.crossOriginIsolated) {
      throw new Error(`wasm with ${threads} threads needs a cross-origin isolated page, which this is not: open it over HTTPS or on localhost.`);
    }
    // One thread means the build for one: that with threads is slower, and ours are not its kernels.
    if (threads === 1) tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    else setThreadsCount(threads);
    if (training) await import('@saccade/wasm-train');
    return { ...CPU, threads };
  },
  webgl: async () => {
    const gpu = findWebGl();
    if (!gpu) throw new Error('No WebGL 2: this browser has it off, or no driver for it. Look at chrome://gpu, or choose wasm.');
    await import('@tensorflow/tfjs-backend-webgl');
    // Small tensors must not slip away to the cpu backend.
    tf.env().set('WEBGL_CPU_FORWARD', false);
    return gpu;
  },
  webgpu: async () => {
    const gpu = await findWebGpu();
    if (!gpu) {
      const why = globalThis.isSecureContext ? 'this browser has none' : 'a page has it over HTTPS or on localhost only';
      throw new Error(`No WebGPU: ${why}. Choose webgl or wasm.`);
    }
    await import('@tensorflow/tfjs-backend-webgpu');
    tf.env().set('WEBGPU_CPU_FORWARD', false);
    return gpu;
  },
};

function watch(name: BackendName, onLost: (reason: string) => void): void {
  const backend = tf.backend() as { device?: GPUDevice; gpgpu?: { gl: WebGL2RenderingContext } };
  if (name === 'webgpu') void backend.device!.lost.then(({ message, reason }) => onLost(message || reason));
  if (name !== 'webgl') return;
  const { gl } = backend.gpgpu!;
  const tell = () => onLost('the WebGL context was lost');
  if (gl.isContextLost()) tell();
  else gl.canvas.addEventListener('webglcontextlost', tell);
}
