import { expandDims, mul, reshape, sum, tidy, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { BlockError, showShape } from './errors.js';
import { differentiable } from './gradient.js';
import { channelAvgPool } from './pooling/channel.js';
import { globalAvgPool } from './pooling/global.js';
import { stripAvgPool } from './pooling/strip.js';
import { channelsOf, channelwise, positionsOf } from './shapes.js';

/**
 * Scales a feature map by a gate.
 *
 * @param x `[N, …positions, C]`
 * @param gate `[N, C]` (a factor a channel), `[N, …positions]` (a factor a position), or of x's rank and broadcastable to it, such as
 *   `[N, H, 1, C]` (a factor a row and channel). A gate of rank 2 is always one a channel.
 * @returns a map of x's shape
 * @throws {@link BlockError} where the gate does not broadcast to `x`
 */
export function scale<T extends Tensor>(x: T, gate: Tensor): T {
  // The gradient of a broadcast tf.mul sums with transposes; pooling does not.
  return tidy(() => differentiable([x, broadcastable(x, gate)], mul, (dy, [x, gate]) => [mul(dy, gate), sumTo(gate.shape, mul(dy, x))]) as T);
}

function broadcastable(x: Tensor, gate: Tensor): Tensor {
  const aligned = gate.rank === 2 && x.rank > 2 ? channelwise(gate, x) : gate.rank === x.rank - 1 ? expandDims(gate, -1) : gate;
  if (aligned.rank !== x.rank || aligned.shape.some((size, i) => size !== 1 && size !== x.shape[i])) {
    throw new BlockError(
      `scale: a gate of shape ${showShape(gate.shape)} does not fit a map of shape ${showShape(x.shape)}. ` +
        'Give [N, C], [N, …positions], or a shape of the same rank with 1 where the gate is shared.',
    );
  }
  return aligned;
}

function sumTo(shape: number[], x: Tensor): Tensor {
  const shared = shape.flatMap((size, axis) => (size === 1 && x.shape[axis] > 1 ? [axis] : []));
  const last = x.rank - 1;
  if (shared.length === 0) return x;
  if (shared.every((axis) => axis > 0 && axis < last) && shared.length === x.shape.slice(1, -1).filter((size) => size > 1).length) {
    return reshape(mul(globalAvgPool(x), positionsOf(x)), shape);
  }
  if (shared.length === 1 && shared[0] === last) return reshape(mul(channelAvgPool(x), channelsOf(x)), shape);
  if (shared.length === 1 && x.rank === 4 && shared[0] !== 0) {
    return reshape(mul(stripAvgPool(x as Tensor4D, shared[0] === 1 ? 'height' : 'width'), x.shape[shared[0]]), shape);
  }
  return sum(x, shared, true);
}
