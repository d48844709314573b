import { engine, fused, getBackend, mul, reshape, tidy, type Tensor4D } from '@tensorflow/tfjs-core';
import { activated } from '../activations.js';
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
  const { kernelSize, stride = 1 } = options;
  const apply = (x: Tensor4D, training: boolean): Tensor4D =>
    tidy(() => {
      // GPUs would rather pass over the map once more than compute a folded kernel in operations of its own.
      if (training || engine().isTapeOn() || getBackend() !== 'wasm') return norm(conv(x), training);
      const { factor, offset } = norm.folded();
      const filter: Tensor4D = mul(conv.kernel.read(), reshape(factor, [1, 1, channels, 1]));
      return activated(fused.depthwiseConv2d({ x, filter, strides: stride, pad: (kernelSize - 1) / 2, bias: offset }), norm.activation);
    });
  return Object.assign(apply, { macs: (positions: number) => conv.macs(positions) });
}
