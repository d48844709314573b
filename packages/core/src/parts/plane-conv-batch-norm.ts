import { expandDims, reshape, tidy, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { convolvePlanes, normalisedPlanes, type PlaneGeometry } from '../plane-convolution.js';
import type { WeightScope } from '../weights.js';
import { batchNorm, type BatchNormOptions } from './batch-norm.js';
import { conv2d, type Conv2DOptions } from './conv2d.js';

/** A learned convolution of a few planes with one filter, without bias, and batch normalisation of its output: the logits of a gate of positions. */
export interface PlaneConvBatchNorm {
  /** `[planes, N, A, B]`, or a list of `[N, A, B]`, to `[N, A, B]`, A being the rows that are seen */
  (planes: Tensor4D | Tensor3D[], training: boolean, geometry?: PlaneGeometry): Tensor3D;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface PlaneConvBatchNormOptions extends Pick<Conv2DOptions, 'kernelSize' | 'kernelInitializer'>, Omit<BatchNormOptions, 'activation'> {}

/** Declares a {@link PlaneConvBatchNorm} part: a convolution `conv` and a batch norm `norm`, with the weights of both. */
export function planeConvBatchNorm(weights: WeightScope, planes: number, options: PlaneConvBatchNormOptions): PlaneConvBatchNorm {
  const conv = conv2d(weights.at('conv'), planes, 1, { ...options, useBias: false });
  const norm = batchNorm(weights.at('norm'), 1, options);
  const apply = (planes: Tensor4D | Tensor3D[], training: boolean, geometry: PlaneGeometry = {}): Tensor3D =>
    tidy(() => {
      const kernel = conv.kernel.read() as Tensor4D;
      const fused = training ? undefined : normalisedPlanes(planes, kernel, norm.inference(), geometry);
      if (fused) return fused;
      const z = convolvePlanes(planes, kernel, geometry);
      return reshape(norm(expandDims(z, 3), training), z.shape);
    });
  return Object.assign(apply, { macs: (positions: number) => conv.macs(positions) });
}
