import type { WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';

/** A learned linear map of the channels, at every position alike, and batch normalisation of its output. */
export type Projection = parts.DenseBatchNorm;

export interface ProjectionOptions extends Pick<parts.BatchNormOptions, 'gammaInitializer' | 'activation'> {
  readonly kernelInitializer: parts.Initializer;
}

/** Declares a {@link Projection} part: a dense part `dense` and a batch norm `norm`, with the weights of both. */
export function projection(weights: WeightScope, inputs: number, units: number, options: ProjectionOptions): Projection {
  const dense = parts.dense(weights.at('dense'), inputs, units, { useBias: false, kernelInitializer: options.kernelInitializer });
  return parts.denseBatchNorm(dense, parts.batchNorm(weights.at('norm'), units, options));
}
