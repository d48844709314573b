import type { WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';

/** A convolution, batch norm and a leaky ReLU: the latter two are OCNet's activated batch norm. */
export type ActivatedConv = parts.ConvBatchNorm;

export interface ActivatedConvOptions {
  /** Default: 1. */
  readonly kernelSize?: number;
  /** Default: 1. */
  readonly dilation?: number;
  /** Default: true; all but lost in the batch norm, and yet the official code has it. */
  readonly useBias?: boolean;
  /** Of the batch norm. Default: 0.1. */
  readonly momentum?: number;
}

/** Declares an {@link ActivatedConv} part: a convolution `conv` and a batch norm `norm`, with the weights of both. */
export function activatedConv(weights: WeightScope, inputs: number, filters: number, options: ActivatedConvOptions = {}): ActivatedConv {
  const { kernelSize = 1, dilation = 1, useBias = true, momentum = 0.1 } = options;
  const norm = () => parts.batchNorm(weights.at('norm'), filters, { momentum, activation: 'leakyRelu' });
  // As a matrix product, a convolution with a kernel of size 1 trains on wasm without further kernels.
  return kernelSize === 1
    ? parts.denseBatchNorm(parts.dense(weights.at('conv'), inputs, filters, { useBias }), norm())
    : parts.normalisedConv(parts.conv2d(weights.at('conv'), inputs, filters, { kernelSize, dilation, useBias }), norm());
}
