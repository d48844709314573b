import { tidy, type Tensor4D } from '@tensorflow/tfjs-core';
import { convolvesDirectly } from '../convolution.js';
import type { WeightScope } from '../weights.js';
import { batchNorm, type BatchNorm, type BatchNormOptions } from './batch-norm.js';
import { conv2d, type Conv2D, type Conv2DOptions } from './conv2d.js';

/** A learned 2-D convolution, batch normalisation of its output, and the activation that follows, if any. */
export interface ConvBatchNorm {
  /** `[N, H, W, inputs]` to `[N, H', W', filters]`, by default `⌈H/stride⌉` and `⌈W/stride⌉` */
  (x: Tensor4D, training: boolean): Tensor4D;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface ConvBatchNormOptions extends Omit<Conv2DOptions, 'useBias' | 'biasInitializer'>, BatchNormOptions {}

/** Declares a {@link ConvBatchNorm} part: a convolution `conv` and a batch norm `norm`, with the weights of both. */
export function convBatchNorm(weights: WeightScope, inputs: number, filters: number, options: ConvBatchNormOptions): ConvBatchNorm {
  const { activation, ...convOptions } = options;
  const conv = conv2d(weights.at('conv'), inputs, filters, { ...convOptions, useBias: false });
  return normalisedConv(conv, batchNorm(weights.at('norm'), filters, { ...convOptions, activation }));
}

/** Two parts, declared elsewhere under names of their own, as a {@link ConvBatchNorm}. The convolution may have a bias. */
export function normalisedConv(conv: Conv2D, norm: BatchNorm): ConvBatchNorm {
  const apply = (x: Tensor4D, training: boolean): Tensor4D =>
    tidy(() => {
      if (training || !convolvesDirectly()) return norm(conv(x), training);
      // At inference a batch norm is a factor and a bias of the filters: it then needs no pass over the map.
      return conv(x, { norm: norm.inference(), activation: norm.activation });
    });
  return Object.assign(apply, { macs: (positions: number) => conv.macs(positions) });
}
