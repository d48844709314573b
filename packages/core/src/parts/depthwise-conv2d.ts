import { depthwiseConv2d as convolve, fused, type Tensor4D } from '@tensorflow/tfjs-core';
import type { Weight, WeightScope } from '../weights.js';
import { pytorchUniform, type Initializer } from './initializers.js';

/** A learned 2-D convolution of each channel by itself, zero-padded so that stride 1 keeps the map's size. */
export interface DepthwiseConv2D {
  /** `[N, H, W, C]` to `[N, ⌈H/stride⌉, ⌈W/stride⌉, C]` */
  (x: Tensor4D): Tensor4D;
  /** `[k, k, C, 1]` */
  readonly kernel: Weight;
  /** `[C]` */
  readonly bias: Weight | null;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface DepthwiseConv2DOptions {
  /** Side of the kernel, odd. */
  readonly kernelSize: number;
  /** Default: 1. */
  readonly stride?: number;
  /** Default: true. */
  readonly useBias?: boolean;
  /** Default: PyTorch's, uniform in ±1/k. */
  readonly kernelInitializer?: Initializer;
  /** Default: PyTorch's, uniform in ±1/k. */
  readonly biasInitializer?: Initializer;
}

/** Declares a {@link DepthwiseConv2D} part, with the weights `kernel` and `bias`. */
export function depthwiseConv2d(weights: WeightScope, channels: number, options: DepthwiseConv2DOptions): DepthwiseConv2D {
  const { kernelSize, stride = 1, useBias = true } = options;
  const taps = kernelSize * kernelSize;
  const kernel = weights.add('kernel', [kernelSize, kernelSize, channels, 1], options.kernelInitializer ?? pytorchUniform(taps), {
    layout: 'depthwise',
  });
  const bias = useBias ? weights.add('bias', [channels], options.biasInitializer ?? pytorchUniform(taps)) : null;
  // PyTorch's padding: the same on all sides, whatever the stride.
  const pad = (kernelSize - 1) / 2;
  const apply = (x: Tensor4D): Tensor4D => {
    const filter = kernel.read() as Tensor4D;
    return bias ? fused.depthwiseConv2d({ x, filter, strides: stride, pad, bias: bias.read() }) : convolve(x, filter, stride, pad);
  };
  return Object.assign(apply, { kernel, bias, macs: (positions: number) => positions * taps * channels });
}
