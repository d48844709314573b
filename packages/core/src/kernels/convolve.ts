import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Activation } from '../activations.js';
import type { FoldedInputs } from './affine.js';
import { ownKernel } from './kernel.js';
import { wasmConvolve } from './wasm/convolve.js';

/** The tensors of a convolution. */
export interface ConvolveInputs extends FoldedInputs {
  /** `[N, H, W, inputs]` */
  readonly x: Tensor4D;
  /** `[k, k, inputs / groups, filters]` */
  readonly kernel: Tensor4D;
  /** `[filters]`, or none: is added before the batch normalisation. */
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
  /** Of the batch normalisation. */
  readonly epsilon: number;
  readonly activation: Activation | undefined;
}

/**
 * A convolution with groups, stride and dilation, its batch normalisation and activation, in one pass, `[N, outHeight, outWidth, filters]`. On wasm
 * it takes about two thirds of XNNPACK's time; with many groups, which XNNPACK gets one by one, a tenth.
 */
export const directConvolution = ownKernel<ConvolveInputs, ConvolveGeometry>('SaccadeConvolve', { wasm: wasmConvolve });
