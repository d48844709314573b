/**
 * The largest singular value of a matrix, as power iteration estimates it: algorithm 1 of
 *
 * Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018. https://arxiv.org/abs/1802.05957
 */
import { differentiable, matMul, transposeLast } from '@saccade/core';
import { add, div, mul, reshape, sqrt, square, sub, sum, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';

const EPSILON = 1e-12;

/** Estimates of a matrix's first singular vectors. */
export interface SingularVectors {
  /** `[columns, 1]` */
  readonly u: Tensor2D;
  /** `[1, rows]` */
  readonly v: Tensor2D;
}

/**
 * Better estimates of the first singular vectors.
 *
 * @param matrix `[rows, columns]`
 * @param u `[columns, 1]`, of any length
 * @param iterations at least 1
 */
export function iteratePower(matrix: Tensor2D, u: Tensor2D, iterations: number): SingularVectors {
  const v = unit<Tensor2D>(reshape(matMul(matrix, u), [1, -1]));
  const next = { u: unit<Tensor2D>(reshape(matMul(v, matrix), [-1, 1])), v };
  return iterations > 1 ? iteratePower(matrix, next.u, iterations - 1) : next;
}

/** The matrix divided by σ = v·matrix·u. The gradient flows through σ and, where u and v were made from the matrix, through these. */
export function divideBySigma(matrix: Tensor2D, vectors: SingularVectors): Tensor2D {
  return div(matrix, sigma(matrix, vectors));
}

/** As {@link divideBySigma}, but u and v are constants to the gradient: that of σ is then v·uᵀ. */
export function divideBySigmaOfConstants(matrix: Tensor2D, vectors: SingularVectors): Tensor2D {
  const { u, v } = vectors;
  return differentiable(
    [matrix],
    (matrix) => divideBySigma(matrix as Tensor2D, vectors),
    (dy, [matrix], y, [u, v]) => {
      const dSigma = mul(sum(mul(dy, y)), mul(transposeLast(v), transposeLast(u))); // [rows, columns]
      return [div(sub(dy, dSigma), sigma(matrix as Tensor2D, { u, v } as SingularVectors))];
    },
    [u, v],
  ) as Tensor2D;
}

/** `[1, 1]` */
function sigma(matrix: Tensor2D, { u, v }: SingularVectors): Tensor2D {
  return matMul(matMul(v, matrix), u);
}

function unit<T extends Tensor>(x: T): T {
  return div(x, add(sqrt(sum(square(x))), EPSILON));
}
