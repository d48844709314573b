import * as tf from '@tensorflow/tfjs-core';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';

/**
 * Starts TensorFlow.js on the graphics processor, or on WebAssembly where there is none.
 *
 * @returns what it computes on, for people
 */
export async function startBackend(): Promise<string> {
  const gpu = findGpu();
  if (gpu) {
    await import('@tensorflow/tfjs-backend-webgl');
    if (await tf.setBackend('webgl')) return `WebGL, ${gpu}`;
  }
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  // It insists on all three, and fetches the one that it needs.
  setWasmPaths({
    'tfjs-backend-wasm.wasm': wasmUrl,
    'tfjs-backend-wasm-simd.wasm': simdUrl,
    'tfjs-backend-wasm-threaded-simd.wasm': threadedUrl,
  });
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  // The backend alone cannot train convolutions.
  await import('@saccade/wasm-train');
  await tf.setBackend('wasm');
  return 'WebAssembly';
}

/** The graphics processor's name; null where there is none, or where the CPU plays it, which is slower than WebAssembly. */
function findGpu(): string | null {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return null;
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? null : name;
}
