import type { Tensor } from '@tensorflow/tfjs-core';
import type { AffineAttrs, FoldedInputs } from './affine.js';
import { ownKernel } from './kernel.js';
import { wasmLinear, wasmSplitLinear } from './wasm/linear.js';
import { webgpuLinear, webgpuSplitLinear } from './webgpu/linear.js';

/** The tensors of a linear map. */
export interface LinearInputs extends FoldedInputs {
  /** `[…, inputs]` */
  readonly x: Tensor;
  /** `[inputs, units]` */
  readonly kernel: Tensor;
  /** `[units]`, or none: is added before the batch normalisation. */
  readonly bias: Tensor | undefined;
}

/** A linear map of each position, its batch normalisation and activation in one pass, `[…, units]`. */
export const fusedLinear = ownKernel<LinearInputs, AffineAttrs>('SaccadeLinear', { wasm: wasmLinear, webgpu: webgpuLinear });

/** The tensors of two linear maps of two parts of a sequence. */
export interface SplitLinearInputs {
  /** `[N, P, inputs]` */
  readonly x: Tensor;
  /** `[inputs, units]` */
  readonly kernel: Tensor;
  /** `[units]`, or none */
  readonly bias: Tensor | undefined;
  /** That of the second part. */
  readonly second: Tensor;
  readonly secondBias: Tensor | undefined;
}

/** What there is to know of two linear maps beside their tensors. */
export interface SplitLinearAttrs {
  /** Where the second part begins. */
  readonly at: number;
}

/** Whether two linear maps are so alike that a kernel can take both. */
export function areAlike({ kernel, bias, second, secondBias }: SplitLinearInputs): boolean {
  return kernel.shape.join() === second.shape.join() && (bias === undefined) === (secondBias === undefined);
}

/** Two linear maps of two parts of a sequence in one pass, `[N, P, units]`. */
export const fusedSplitLinear = ownKernel<SplitLinearInputs, SplitLinearAttrs>('SaccadeSplitLinear', {
  wasm: wasmSplitLinear,
  webgpu: webgpuSplitLinear,
});
