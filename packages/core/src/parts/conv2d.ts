import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { convolve, type ConvolutionGeometry, type ConvolveOptions } from '../convolution.js';
import type { Weight, WeightScope } from '../weights.js';
import { pytorchUniform, type Initializer } from './initializers.js';

/** A learned 2-D convolution (cross-correlation), zero-padded. */
export interface Conv2D {
  /** `[N, H, W, inputs]` to `[N, H', W', filters]`, by default `⌈H/stride⌉` and `⌈W/stride⌉`; with what follows, if any. */
  (x: Tensor4D, following?: Pick<ConvolveOptions, 'norm' | 'activation'>): Tensor4D;
  /** `[k, k, inputs / groups, filters]` */
  readonly kernel: Weight;
  /** `[filters]` */
  readonly bias: Weight | null;
  /** Multiply-adds for so many output positions. */
  macs(positions: number): number;
}

export interface Conv2DOptions extends ConvolutionGeometry {
  /** Side of the kernel, odd. */
  readonly kernelSize: number;
  /** Divides inputs and filters. Default: 1. */
  readonly groups?: number;
  /** Default: true. */
  readonly useBias?: boolean;
  /** Default: PyTorch's, uniform in ±1/√(k·k·inputs/groups). */
  readonly kernelInitializer?: Initializer;
  /** Default: PyTorch's, uniform in ±1/√(k·k·inputs/groups). */
  readonly biasInitializer?: Initializer;
}

/** Declares a {@link Conv2D} part, with the weights `kernel` and `bias`. */
export function conv2d(weights: WeightScope, inputs: number, filters: number, options: Conv2DOptions): Conv2D {
  const { kernelSize, useBias = true, kernelInitializer, biasInitializer, ...geometry } = options;
  const depth = inputs / (options.groups ?? 1);
  const fanIn = kernelSize * kernelSize * depth;
  const kernel = weights.add('kernel', [kernelSize, kernelSize, depth, filters], kernelInitializer ?? pytorchUniform(fanIn), { layout: 'conv' });
  const bias = useBias ? weights.add('bias', [filters], biasInitializer ?? pytorchUniform(fanIn)) : null;
  const apply = (x: Tensor4D, following: Pick<ConvolveOptions, 'norm' | 'activation'> = {}): Tensor4D =>
    convolve(x, kernel.read() as Tensor4D, { ...geometry, bias: bias?.read() as Tensor1D | undefined, ...following });
  return Object.assign(apply, { kernel, bias, macs: (positions: number) => positions * fanIn * filters });
}
