import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmBlend } from './wasm/blend.js';
import { webgpuBlend } from './webgpu/blend.js';

/** The maps `branch0`, `branch1`, …, each `[N, …positions, C]`, and their weights. */
export type BlendInputs = Readonly<Record<`branch${number}`, Tensor>> & {
  /** `[N, branches, C]` */
  readonly weights: Tensor;
};

export interface BlendRule {
  /** Whether the weights are the softmax of what is given, over the branches. */
  readonly softmax: boolean;
}

/** Σ weight · branch in one pass, of a branch's shape. */
export const fusedBlend = ownKernel<BlendInputs, BlendRule>('SaccadeBlend', { wasm: wasmBlend, webgpu: webgpuBlend });
