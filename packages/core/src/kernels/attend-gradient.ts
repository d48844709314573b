import type { Tensor } from '@tensorflow/tfjs-core';
import type { AttendInputs } from './attend.js';
import { ownKernel } from './kernel.js';
import { wasmAttendGradient } from './wasm/attend-gradient.js';
import { webgpuAttendGradient } from './webgpu/attend-gradient.js';

/** The tensors that the gradient of attention takes. */
export interface AttendGradientInputs extends AttendInputs {
  /** What the attention gave, `[B, N, E]` */
  readonly y: Tensor;
  /** What the kernel SaccadeAttendWithPeaks gives behind that, `[B, N, 2]`, where there is one */
  readonly peaks: Tensor | undefined;
  /** The gradient of that */
  readonly dy: Tensor;
}

/**
 * The gradients of {@link fusedAttend}'s inputs, computed from scores that are computed again and never leave the cache, one behind the other in
 * one flat tensor: those of q, k and v, then of bias and rowBias where there are any, each as large as its input.
 */
export const fusedAttendGradient = ownKernel<AttendGradientInputs>('SaccadeAttendGradient', {
  wasm: wasmAttendGradient,
  webgpu: webgpuAttendGradient,
});
