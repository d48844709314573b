import { type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';

/** A learned linear map of the channels, at every position alike, and batch normalisation of its output. */
export interface Projection {
  /** `[…, inputs]` to `[…, units]` */
  (x: Tensor, training: boolean): Tensor;
  /** Multiply-adds over so many positions. */
  macs(positions: number): number;
}

export interface ProjectionOptions {
  readonly kernelInitializer: parts.Initializer;
  /** Of the batch norm. Default: ones. */
  readonly gammaInitializer?: parts.Initializer;
}

/** Declares a {@link Projection} part: a dense part `dense` and a batch norm `norm`, with the weights of both. */
export function projection(weights: WeightScope, inputs: number, units: number, options: ProjectionOptions): Projection {
  const dense = parts.dense(weights.at('dense'), inputs, units, { useBias: false, kernelInitializer: options.kernelInitializer });
  const norm = parts.batchNorm(weights.at('norm'), units, options);
  return Object.assign((x: Tensor, training: boolean) => norm(dense(x), training), { macs: (positions: number) => dense.macs(positions) });
}
