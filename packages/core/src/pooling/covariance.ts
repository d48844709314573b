import { expandDims, mul, reshape, sub, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { fusedGram } from '../kernels/gram.js';
import { positionsOf, rowsOf } from '../shapes.js';
import { globalAvgPool } from './global.js';
import { gramGradient, gramMatrix } from './gram.js';

/**
 * The covariance of the channels over all positions, (1/P) Σ (x − μ)(x − μ)ᵀ, of each image by itself: biased, as second-order pooling has it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C, C]`, symmetric
 */
export function covariancePool(x: Tensor): Tensor3D {
  return differentiable(
    [x],
    (x) => {
      const rows = rowsOf(x);
      const mean = globalAvgPool(rows);
      const factor = 1 / positionsOf(x);
      return fusedGram({ x: rows, mean }, { factor }) ?? mul(gramMatrix(centred(rows, mean)), factor);
    },
    // What the mean contributes is 0, since centred rows sum to 0.
    (dy, [x]) => {
      const rows = rowsOf(x);
      return [reshape(gramGradient(centred(rows, globalAvgPool(rows)), dy, 1 / positionsOf(x)), x.shape)];
    },
  ) as Tensor3D;
}

// [N, P, C]. E[xxᵀ] − μμᵀ would need no such pass, but cancels where means are large.
function centred(rows: Tensor3D, mean: Tensor): Tensor3D {
  return sub(rows, expandDims(mean, 1));
}
