import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmAttend, wasmAttendWithPeaks } from './wasm/attend.js';
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

/**
 * The same, and behind it in one flat tensor what the gradient asks for of the softmax, so as not to compute it again: each query's maximal score and,
 * relative to the weight of that, the total of its weights, `[B, N, 2]`.
 */
export const fusedAttendWithPeaks = ownKernel<AttendInputs>('SaccadeAttendWithPeaks', { wasm: wasmAttendWithPeaks });
