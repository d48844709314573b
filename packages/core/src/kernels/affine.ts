import type { Tensor } from '@tensorflow/tfjs-core';
import type { Activation } from '../activations.js';
import { ownKernel } from './kernel.js';
import { wasmAffine } from './wasm/affine.js';
import { webgpuAffine } from './webgpu/affine.js';

/** The tensors of a batch normalisation, which a kernel folds into a factor and an offset for each channel. All `[C]`. */
export interface FoldedInputs {
  /** None is 1. */
  readonly gamma?: Tensor | undefined;
  /** None is 0. */
  readonly beta?: Tensor | undefined;
  /** None are a mean of 0, and a divisor of 1; there are both or neither. */
  readonly mean?: Tensor | undefined;
  readonly variance?: Tensor | undefined;
}

/** The tensors of an affine map of each channel. */
export interface AffineInputs extends FoldedInputs {
  /** `[…, C]` */
  readonly x: Tensor;
  readonly gamma: Tensor;
  readonly beta: Tensor;
}

/** What there is to know of an affine map beside its tensors. */
export interface AffineAttrs {
  /** Is added to the variance. */
  readonly epsilon: number;
  readonly activation: Activation | undefined;
}

/** An affine map of each channel, that of a batch normalisation or any, and an activation, in one pass. */
export const fusedAffine = ownKernel<AffineInputs, AffineAttrs>('SaccadeAffine', { wasm: wasmAffine, webgpu: webgpuAffine });
