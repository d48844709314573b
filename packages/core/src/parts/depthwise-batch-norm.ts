import { tidy, type Tensor4D } from '@tensorflow/tfjs-core';
import type { WeightScope } from '../weights.js';
import { batchNorm, type BatchNormOptions } from './batch-norm.js';
import { depthwiseConv2d, type DepthwiseConv2DOptions } from './depthwise-conv2d.js';

/** A learned 2-D convolution of each channel by itself, without bias, batch normalisation of its output, and the activation that follows, if any. */
export interface DepthwiseBatchNorm {
  /** `[N, H, W, C]` to `[N, ⌈H/stride⌉, ⌈W/stride⌉, C]` */
  (x: Tensor4D, training: boolean): Tensor4D;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface DepthwiseBatchNormOptions extends Omit<DepthwiseConv2DOptions, 'useBias' | 'biasInitializer'>, BatchNormOptions {}

/** Declares a {@link DepthwiseBatchNorm} part: a depthwise convolution `conv` and a batch norm `norm`, with the weights of both. */
export function depthwiseBatchNorm(weights: WeightScope, channels: number, options: DepthwiseBatchNormOptions): DepthwiseBatchNorm {
  const conv = depthwiseConv2d(weights.at('conv'), channels, { ...options, useBias: false });
  const norm = batchNorm(weights.at('norm'), channels, options);
  const apply = (x: Tensor4D, training: boolean): Tensor4D => tidy(() => norm(conv(x), training));
  return Object.assign(apply, { macs: (positions: number) => conv.macs(positions) });
}
