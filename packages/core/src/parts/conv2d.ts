import { conv2d as convolve, fused, type Tensor4D } from '@tensorflow/tfjs-core';
import type { Weight, WeightScope } from '../weights.js';
import { pytorchUniform, type Initializer } from './initializers.js';

/** A learned 2-D convolution (cross-correlation), zero-padded so that stride 1 keeps the map's size. */
export interface Conv2D {
  /** `[N, H, W, inputs]` to `[N, ⌈H/stride⌉, ⌈W/stride⌉, filters]` */
  (x: Tensor4D): Tensor4D;
  /** `[k, k, inputs, filters]` */
  readonly kernel: Weight;
  /** `[filters]` */
  readonly bias: Weight | null;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface Conv2DOptions {
  /** Side of the kernel, odd. */
  readonly kernelSize: number;
  /** Default: 1. */
  readonly stride?: number;
  /** Default: true. */
  readonly useBias?: boolean;
  /** Default: PyTorch's, uniform in ±1/√(k·k·inputs). */
  readonly kernelInitializer?: Initializer;
  /** Default: PyTorch's, uniform in ±1/√(k·k·inputs). */
  readonly biasInitializer?: Initializer;
}

/** Declares a {@link Conv2D} part, with the weights `kernel` and `bias`. */
export function conv2d(weights: WeightScope, inputs: number, filters: number, options: Conv2DOptions): Conv2D {
  const { kernelSize, stride = 1, useBias = true } = options;
  const fanIn = kernelSize * kernelSize * inputs;
  const kernel = weights.add('kernel', [kernelSize, kernelSize, inputs, filters], options.kernelInitializer ?? pytorchUniform(fanIn), {
    layout: 'conv',
  });
  const bias = useBias ? weights.add('bias', [filters], options.biasInitializer ?? pytorchUniform(fanIn)) : null;
  // PyTorch's padding: the same on all sides, whatever the stride.
  const pad = (kernelSize - 1) / 2;
  const apply = (x: Tensor4D): Tensor4D => convolve(x, kernel.read() as Tensor4D, stride, pad);
  const applyWithBias =
    (bias: Weight) =>
    (x: Tensor4D): Tensor4D =>
      fused.conv2d({ x, filter: kernel.read() as Tensor4D, strides: stride, pad, bias: bias.read() });
  return Object.assign(bias ? applyWithBias(bias) : apply, { kernel, bias, macs: (positions: number) => positions * fanIn * filters });
}
