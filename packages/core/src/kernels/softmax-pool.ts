import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { webgpuSoftmaxPool } from './webgpu/softmax-pool.js';
import { wasmSoftmaxPool } from './wasm/softmax-pool.js';

/** The tensors of a mean with weights made of what it is of. */
export interface SoftmaxPoolInputs {
  /** `[N, …positions, C]` */
  readonly x: Tensor;
  /** `[C, 1]` */
  readonly kernel: Tensor2D;
}

/** Σ softmax(x·kernel)·x over the positions, `[N, C]`, in one pass. */
export const fusedSoftmaxPool = ownKernel<SoftmaxPoolInputs>('SaccadeSoftmaxPool', { wasm: wasmSoftmaxPool, webgpu: webgpuSoftmaxPool });
