/**
 * The largest singular value of a matrix, as power iteration estimates it: algorithm 1 of
 *
 * Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018. https://arxiv.org/abs/1802.05957
 */
import { differentiable, matMul, transposeLast } from '@saccade/core';
import { add, div, mul, reshape, sqrt, square, sub, sum, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';

const EPSILON = 1e-12;

/** Estimates of a matrix's first singular vectors, and of the value that they belong to. */
export interface Singular {
  /** `[columns, 1]` */
  readonly u: Tensor2D;
  /** `[1, rows]` */
  readonly v: Tensor2D;
  /** v·matrix·u, `[1, 1]` */
  readonly sigma: Tensor2D;
}

/**
 * Better estimates than u.
 *
 * @param matrix `[rows, columns]`
 * @param u `[columns, 1]`, of any length
 * @param iterations at least 1
 */
export function iteratePower(matrix: Tensor2D, u: Tensor2D, iterations: number): Singular {
  const v = unit<Tensor2D>(reshape(matMul(matrix, u), [1, -1]));
  const image = matMul(v, matrix); // [1, columns]
  const next = unit<Tensor2D>(reshape(image, [-1, 1]));
  return iterations > 1 ? iteratePower(matrix, next, iterations - 1) : { u: next, v, sigma: matMul(image, next) };
}

/** The value that two vectors estimate. */
export function singular(matrix: Tensor2D, u: Tensor2D, v: Tensor2D): Singular {
  return { u, v, sigma: matMul(matMul(v, matrix), u) };
}

/**
 * The matrix over σ. The gradient takes u and v for constants, so that that of σ is v·uᵀ; through `div(matrix, sigma)` it flows as far as σ
 * was made from the matrix.
 */
export function divideBySigma(matrix: Tensor2D, { u, v, sigma }: Singular): Tensor2D {
  return differentiable(
    [matrix],
    (matrix) => div(matrix, sigma),
    (dy, _, y, [u, v, sigma]) => [div(sub(dy, mul(sum(mul(dy, y)), mul(transposeLast(v), transposeLast(u)))), sigma)],
    [u, v, sigma],
  ) as Tensor2D;
}

function unit<T extends Tensor>(x: T): T {
  return div(x, add(sqrt(sum(square(x))), EPSILON));
}
