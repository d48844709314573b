import { add, reshape, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { matMul, transposeLast } from '../matmul.js';
import { rowsOf } from '../shapes.js';

/**
 * The products of the channels with each other, Σ x·xᵀ over all positions, of each image by itself: its Gram matrix.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C, C]`, symmetric
 */
export function gramMatrix(x: Tensor): Tensor3D {
  return differentiable(
    [x],
    (x) => matMul(transposeLast(rowsOf(x)), rowsOf(x)),
    (dy, [x]) => [reshape(matMul(rowsOf(x), add(dy, transposeLast(dy))), x.shape)],
  ) as Tensor3D;
}
