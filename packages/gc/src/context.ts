import { channelwise, differentiable, globalAvgPool, positionsOf } from '@saccade/core';
import { add, mul, type Tensor } from '@tensorflow/tfjs-core';

/** x + y, with y `[N, C]` the same at every position. */
export function addEverywhere(x: Tensor, y: Tensor): Tensor {
  // The gradient of a broadcast tf.add sums with transposes; pooling does not.
  return differentiable(
    [x, y],
    (x, y) => add(x, channelwise(y, x)),
    (dy) => [dy, mul(globalAvgPool(dy), positionsOf(dy))],
  );
}
