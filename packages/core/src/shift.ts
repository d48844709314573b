import { add, mul, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { BlockError, showShape } from './errors.js';
import { differentiable } from './gradient.js';
import { fusedShift } from './kernels/shift.js';
import { globalAvgPool } from './pooling/global.js';
import { channelsOf, channelwise, positionsOf } from './shapes.js';

/**
 * Adds a value a channel to a feature map, the same at every position.
 *
 * @param x `[N, …positions, C]`
 * @param offset `[N, C]`
 * @returns a map of x's shape
 * @throws {@link BlockError} where the offset has another shape
 */
export function shift<T extends Tensor>(x: T, offset: Tensor2D): T {
  if (showShape(offset.shape) !== showShape([x.shape[0], channelsOf(x)])) {
    throw new BlockError(`shift: an offset of shape ${showShape(offset.shape)} does not fit a map of shape ${showShape(x.shape)}. Give [N, C].`);
  }
  // The gradient of a broadcast tf.add sums with transposes; pooling does not.
  return differentiable(
    [x, offset],
    (x, offset) => fusedShift({ x, offset: offset as Tensor2D }) ?? add(x, channelwise(offset, x)),
    (dy) => [dy, mul(globalAvgPool(dy), positionsOf(dy))],
  ) as T;
}
