import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmConvolve } from './wasm/convolve.js';

/** The tensors of a convolution. */
export interface ConvolveInputs {
  /** `[N, H, W, inputs]` */
  readonly x: Tensor4D;
  /** `[k, k, inputs / groups, filters]` */
  readonly kernel: Tensor4D;
  /** `[filters]`, or none: multiplies what each filter gives, before the bias. */
  readonly factor: Tensor1D | undefined;
  /** `[filters]`, or none */
  readonly bias: Tensor1D | undefined;
}

/** What there is to know of a convolution beside its tensors. */
export interface ConvolveGeometry {
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  readonly groups: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/**
 * A convolution with groups, stride and dilation in one pass, `[N, outHeight, outWidth, filters]`. On wasm it takes about two thirds of XNNPACK's
 * time; with many groups, which XNNPACK gets one by one, a tenth.
 */
export const directConvolution = ownKernel<ConvolveInputs, ConvolveGeometry>('SaccadeConvolve', { wasm: wasmConvolve });
