import { attentionPool, channelwise, differentiable, globalAvgPool, positionsOf, type parts } from '@saccade/core';
import { add, mul, reshape, softmax, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';

/**
 * The one attention map of an image that all its positions share.
 *
 * @param x `[N, H, W, C]`
 * @param mask W_k, from C channels to 1
 * @returns `[N, H·W]`, which sums to 1 over the positions
 */
export function attentionOf(x: Tensor, mask: parts.Dense): Tensor2D {
  return softmax(reshape(mask(x), [x.shape[0], positionsOf(x)]));
}

/** The features of an image, `[N, C]`, pooled by its attention map: Σ α_j x_j. */
export function contextOf(x: Tensor, mask: parts.Dense): Tensor2D {
  return attentionPool(x, attentionOf(x, mask));
}

/** x + y, with y `[N, C]` the same at every position. */
export function addEverywhere(x: Tensor, y: Tensor): Tensor {
  // The gradient of a broadcast tf.add sums with transposes; pooling does not.
  return differentiable(
    [x, y],
    (x, y) => add(x, channelwise(y, x)),
    (dy) => [dy, mul(globalAvgPool(dy), positionsOf(dy))],
  );
}
