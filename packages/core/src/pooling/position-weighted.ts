import { mul, reshape, tidy, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { BlockError, showShape } from '../errors.js';
import { differentiable } from '../gradient.js';
import { channelsOf, positionsOf } from '../shapes.js';
import { sumOfProducts, sumOverPositions } from './global.js';

/**
 * The sum of each channel over all positions, each with a weight of its own: a depthwise convolution with a kernel as large as the map.
 *
 * @param x `[N, …positions, C]`
 * @param weights `[…positions, C]`
 * @returns `[N, C]`
 * @throws {@link BlockError} where the weights are not of x's shape
 */
export function positionWeightedPool(x: Tensor, weights: Tensor): Tensor2D {
  if (weights.shape.join() !== x.shape.slice(1).join()) {
    throw new BlockError(
      `positionWeightedPool: weights of shape ${showShape(weights.shape)} do not fit a map of shape ${showShape(x.shape)}. Give ${showShape(x.shape.slice(1))}.`,
    );
  }
  const [positions, channels] = [positionsOf(x), channelsOf(x)];
  return tidy(() => {
    // As a convolution, each channel's sum is one loop over all positions: on wasm that takes six times as long.
    const sums = differentiable(
      [reshape(x, [-1, positions, channels]), reshape(weights, [1, positions, channels])],
      (x, weights) => sumOfProducts(x, weights),
      (dy, [x, weights]) => {
        const each = reshape(dy, [-1, 1, channels]);
        return [mul(each, weights), reshape(sumOverPositions(reshape(mul(x, each), [-1, positions * channels])), weights.shape)];
      },
    );
    return sums as Tensor2D;
  });
}
