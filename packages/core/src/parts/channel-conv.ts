import { conv2d, fused as native, reshape, tidy, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { fusedPlanes } from '../kernels/planes.js';
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
  // As a plane with a filter of one row.
  const fused = (x: Tensor2D): Tensor2D | undefined => {
    const [rows, channels] = x.shape;
    const plane = { planes: 1, images: 1, height: rows, width: channels, from: 0, rows, shape: x.shape };
    const filter = { kernelHeight: 1, kernelWidth: kernelSize, turned: false, epsilon: 0 };
    return fusedPlanes({ planes: x, kernel: kernel.read(), beta: bias?.read() }, { ...plane, ...filter }) as Tensor2D | undefined;
  };
  const composed = (x: Tensor2D): Tensor2D =>
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
      const y = bias ? native.conv2d({ x: column, filter, strides: 1, pad, bias: bias.read() }) : conv2d(column, filter, 1, pad);
      return reshape(y, x.shape);
    });
  const apply = (x: Tensor2D): Tensor2D => fused(x) ?? composed(x);
  return Object.assign(apply, { kernel, bias, macs: (channels: number) => kernelSize * channels });
}
