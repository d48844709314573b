import { conv2d, fused, reshape, tidy, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import type { Weight, WeightScope } from '../weights.js';
import { pytorchUniform, type Initializer } from './initializers.js';

/** A learned 1-D convolution (cross-correlation) along the channels, zero-padded to keep their number: one filter for all of them. */
export interface ChannelConv {
  /** `[N, C]` to `[N, C]` */
  (x: Tensor2D): Tensor2D;
  /** `[k, 1, 1]` */
  readonly kernel: Weight;
  /** `[1]` */
  readonly bias: Weight | null;
  /** Multiply-adds for so many channels. */
  macs(channels: number): number;
}

export interface ChannelConvOptions {
  /** Length of the kernel, odd. */
  readonly kernelSize: number;
  /** Default: false. */
  readonly useBias?: boolean;
  /** Default: PyTorch's, uniform in ±1/√k. */
  readonly kernelInitializer?: Initializer;
  /** Default: PyTorch's, uniform in ±1/√k. */
  readonly biasInitializer?: Initializer;
}

/** Declares a {@link ChannelConv} part, with the weights `kernel` and `bias`. */
export function channelConv(weights: WeightScope, options: ChannelConvOptions): ChannelConv {
  const { kernelSize, useBias = false, kernelInitializer = pytorchUniform(kernelSize), biasInitializer = pytorchUniform(kernelSize) } = options;
  const kernel = weights.add('kernel', [kernelSize, 1, 1], kernelInitializer, { layout: 'conv' });
  const bias = useBias ? weights.add('bias', [1], biasInitializer) : null;
  const margin = (kernelSize - 1) / 2;
  const apply = (x: Tensor2D): Tensor2D =>
    tidy(() => {
      // The channels as the rows of a map one pixel wide.
      const column: Tensor4D = reshape(x, [...x.shape, 1, 1]);
      const filter: Tensor4D = reshape(kernel.read(), [kernelSize, 1, 1, 1]);
      const pad: [[0, 0], [number, number], [0, 0], [0, 0]] = [
        [0, 0],
        [margin, margin],
        [0, 0],
        [0, 0],
      ];
      const y = bias ? fused.conv2d({ x: column, filter, strides: 1, pad, bias: bias.read() }) : conv2d(column, filter, 1, pad);
      return reshape(y, x.shape);
    });
  return Object.assign(apply, { kernel, bias, macs: (channels: number) => kernelSize * channels });
}
