import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmCrissCross, wasmCrissCrossGradients } from './wasm/criss-cross.js';
import { webgpuCrissCrossGradients } from './webgpu/criss-cross-gradients.js';
import { webgpuCrissCross } from './webgpu/criss-cross.js';

/** The tensors of criss-cross attention. */
export interface CrissCrossInputs {
  /** `[B, H, W, D]` */
  readonly q: Tensor4D;
  /** `[B, H, W, D]` */
  readonly k: Tensor4D;
  /** `[B, H, W, E]` */
  readonly v: Tensor4D;
}

/** What its gradients are made of. */
export interface CrissCrossGradientInputs extends CrissCrossInputs {
  /** The result, `[B, H, W, E]` */
  readonly y: Tensor;
  /** Its gradient, `[B, H, W, E]` */
  readonly dy: Tensor;
}

/** The attention of each position to its column and its row, `[B, H, W, E]`. */
export const fusedCrissCross = ownKernel<CrissCrossInputs>('SaccadeCrissCross', { wasm: wasmCrissCross, webgpu: webgpuCrissCross });

/** The gradients of queries, keys and values, flat, one after the other, and perhaps more behind them. */
export const fusedCrissCrossGradients = ownKernel<CrissCrossGradientInputs>('SaccadeCrissCrossGradients', {
  wasm: wasmCrissCrossGradients,
  webgpu: webgpuCrissCrossGradients,
});
