import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmShift } from './wasm/shift.js';
import { webgpuShift } from './webgpu/shift.js';

/** A map and what is added to it. */
export interface ShiftInputs {
  /** `[N, …positions, C]` */
  readonly x: Tensor;
  /** `[N, C]` */
  readonly offset: Tensor2D;
}

/** x + offset, of x's shape. */
export const fusedShift = ownKernel<ShiftInputs>('SaccadeShift', { wasm: wasmShift, webgpu: webgpuShift });
