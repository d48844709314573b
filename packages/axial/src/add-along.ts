import { differentiable, globalAvgPool, sizeOf, sumOverPositions } from '@saccade/core';
import { add, mul, reshape, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';

/**
 * Adds to each position what a table has for its place along one axis.
 *
 * @param x `[N, …positions, C]`
 * @param axis of x, of length L
 * @param table `[L, C]`
 */
export function addAlong(x: Tensor, axis: number, table: Tensor2D): Tensor {
  const [length, channels] = table.shape;
  const [before, after] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1, -1))];
  // Four axes at most: WebGPU does not broadcast five.
  return differentiable(
    [x, table],
    (x, table) => reshape(add(reshape(x, [before, length, after, channels]), reshape(table, [1, length, 1, channels])), x.shape),
    (dy) => {
      const perLine = mul(globalAvgPool(reshape(dy, [before * length, after, channels])), after);
      return [dy, reshape(sumOverPositions(reshape(perLine, [before, length * channels])), [length, channels])];
    },
  );
}
