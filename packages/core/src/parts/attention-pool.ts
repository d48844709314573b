import { reshape, softmax, type Tensor, type Tensor1D, type Tensor2D } from '@tensorflow/tfjs-core';
import { softmaxPool } from '../pooling/attention.js';
import { positionsOf } from '../shapes.js';
import type { WeightScope } from '../weights.js';
import { dense, type DenseOptions } from './dense.js';

/** Pools the positions of an image by one learned attention map, Σ softmax(W_k·x)_j·x_j (Cao et al. 2019, equation 2). */
export interface AttentionPool {
  /** `[N, …positions, C]` to `[N, C]` */
  (x: Tensor): Tensor2D;
  /** The attention map, `[N, …positions]`, which sums to 1. */
  map(x: Tensor): Tensor;
  /** Multiply-adds over so many positions: of the scores, and of the weighted sum. */
  macs(positions: number): number;
}

/** Declares an {@link AttentionPool} part, with the weights of W_k, `kernel` and `bias`. */
export function attentionPool(weights: WeightScope, channels: number, options: DenseOptions = {}): AttentionPool {
  const mask = dense(weights, channels, 1, options);
  const attention = (x: Tensor): Tensor2D => softmax(reshape(mask(x), [x.shape[0], positionsOf(x)]));
  const apply = (x: Tensor) => softmaxPool(x, mask.kernel.read() as Tensor2D, mask.bias?.read() as Tensor1D | undefined);
  return Object.assign(apply, {
    map: (x: Tensor) => reshape(attention(x), x.shape.slice(0, -1)),
    macs: (positions: number) => 2 * positions * channels,
  });
}
