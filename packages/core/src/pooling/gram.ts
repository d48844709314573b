import { add, getBackend, matMul as nativeMatMul, mul, reshape, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { fusedGram, fusedGramGradient } from '../kernels/gram.js';
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
    (x) => gramOfRows(rowsOf(x)),
    (dy, [x]) => [reshape(gramGradient(rowsOf(x), dy, 1), x.shape)],
  ) as Tensor3D;
}

/** The gradient of factor · {@link gramMatrix} at x `[N, P, C]`: factor · x·(dy + dyᵀ). */
export function gramGradient(x: Tensor3D, dy: Tensor, factor: number): Tensor {
  const fused = fusedGramGradient({ x, dy }, { factor });
  if (fused) return fused;
  const dx = matMul(x, add(dy, transposeLast(dy)));
  return factor === 1 ? dx : mul(dx, factor);
}

function gramOfRows(x: Tensor3D): Tensor {
  const fused = fusedGram({ x, mean: undefined }, { factor: 1 });
  if (fused) return fused;
  // webgl multiplies a matrix, read as transposed, with itself to something else.
  return getBackend() === 'webgpu' ? nativeMatMul(x, x, true) : matMul(transposeLast(x), x);
}
