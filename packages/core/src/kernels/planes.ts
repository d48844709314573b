import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmPlanes } from './wasm/planes.js';
import { webgpuPlanes } from './webgpu/planes.js';

/** The tensors of a convolution of planes. */
export interface PlanesInputs {
  /** `[planes, images, height, width]`, in whatever shape */
  readonly planes: Tensor;
  /** `[kernelHeight, kernelWidth, planes]`, or, where it is turned, its first two axes exchanged; in whatever shape */
  readonly kernel: Tensor;
  /** A single value: multiplies what the filter gives, after the mean and the root of the variance. None of the three, or all. */
  readonly gamma?: Tensor | undefined;
  readonly mean?: Tensor | undefined;
  readonly variance?: Tensor | undefined;
  /** A single value: is added to what the filter gives. */
  readonly beta?: Tensor | undefined;
}

/** What there is to know of a convolution of planes beside its tensors. */
export interface PlanesAttrs {
  readonly planes: number;
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** The first row of the planes that is seen, and how many are: all others are as if they were not there. */
  readonly from: number;
  readonly rows: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly turned: boolean;
  /** Of the variance. */
  readonly epsilon: number;
  /** Of the result: the sizes `[images, rows, width]`. */
  readonly shape: number[];
}

/** The kernel's values that lie between one and the next of a column and of a row. */
export function kernelSteps({ planes, kernelHeight, kernelWidth, turned }: PlanesAttrs): { down: number; across: number } {
  return turned ? { down: planes, across: kernelHeight * planes } : { down: kernelWidth * planes, across: planes };
}

/** The convolution of some planes with one filter, of odd sides and zero-padded, and its batch normalisation, in one pass. */
export const fusedPlanes = ownKernel<PlanesInputs, PlanesAttrs>('SaccadeConvolvePlanes', { wasm: wasmPlanes, webgpu: webgpuPlanes });
