import { add, expandDims, mul, reshape, sub, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { matMul, transposeLast } from '../matmul.js';
import { positionsOf, rowsOf } from '../shapes.js';
import { globalAvgPool } from './global.js';
import { gramMatrix } from './gram.js';

/**
 * The covariance of the channels over all positions, (1/P) Σ (x − μ)(x − μ)ᵀ, of each image by itself: biased, as second-order pooling has it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C, C]`, symmetric
 */
export function covariancePool(x: Tensor): Tensor3D {
  return differentiable(
    [x],
    (x) => mul(gramMatrix(centred(x)), 1 / positionsOf(x)),
    // What the mean contributes is 0, since centred rows sum to 0.
    (dy, [x]) => [reshape(mul(matMul(centred(x), add(dy, transposeLast(dy))), 1 / positionsOf(x)), x.shape)],
  ) as Tensor3D;
}

// [N, P, C]. E[xxᵀ] − μμᵀ would need no such pass, but cancels where means are large.
function centred(x: Tensor): Tensor3D {
  const rows = rowsOf(x);
  return sub(rows, expandDims(globalAvgPool(rows), 1));
}
