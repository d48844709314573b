import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * `Identity`, by which TensorFlow.js keeps what a gradient needs: another tensor of the same memory, as on the other backends. The backend's own
 * copies it, so that training holds each value several times.
 */
export function identity(backend: BackendWasm, x: TensorInfo): TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}
