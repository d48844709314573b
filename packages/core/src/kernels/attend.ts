import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmAttend } from './wasm/attend.js';
import { webgpuAttend } from './webgpu/attend.js';

/** The tensors of attention. */
export interface AttendInputs {
  /** `[B, N, D]` */
  readonly q: Tensor;
  /** `[B, M, D]` */
  readonly k: Tensor;
  /** `[B, M, E]` */
  readonly v: Tensor;
  /** `[B or 1, N or 1, M]`, or that of the columns of a plane of keys, `[B or 1, N, W]` */
  readonly bias: Tensor | undefined;
  /** That of the rows of the plane, `[B or 1, N, H]` */
  readonly rowBias: Tensor | undefined;
}

/** softmax(q·kᵀ + bias)·v in one pass, `[B, N, E]`, whose scores never leave the cache. */
export const fusedAttend = ownKernel<AttendInputs>('SaccadeAttend', { wasm: wasmAttend, webgpu: webgpuAttend });
