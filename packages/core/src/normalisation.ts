import { add, div, mean, mul, reshape, rsqrt, sqrt, square, squaredDifference, sub, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { globalAvgPool, sumOverPositions } from './pooling/global.js';
import { channelsOf } from './shapes.js';

/** The mean and the biased variance of each channel over batch and positions, each `[C]`. */
export interface Moments {
  readonly mean: Tensor1D;
  readonly variance: Tensor1D;
}

/**
 * The moments of `x`, `[…, C]`, over all axes but the last. No gradient passes through them.
 */
export function momentsOf(x: Tensor): Moments {
  const channels = channelsOf(x);
  const rows = reshape(x, [1, -1, channels]);
  const mean = globalAvgPool(rows);
  const variance = globalAvgPool(square(sub(rows, mean)));
  return { mean: reshape(mean, [channels]) as Tensor1D, variance: reshape(variance, [channels]) as Tensor1D };
}

/**
 * x·factor + offset, channel by channel.
 *
 * @param x `[…, C]`
 * @param factor `[C]`
 * @param offset `[C]`
 */
export function affine<T extends Tensor>(x: T, factor: Tensor, offset: Tensor): T {
  return differentiable(
    [x, factor, offset],
    (x, factor, offset) => add(mul(x!, factor!), offset!),
    (dy, [x, factor]) => [mul(dy, factor!), sumOverPositions(mul(dy, x!)), sumOverPositions(dy)],
  ) as T;
}

/**
 * Batch normalisation with given moments, as at inference (Ioffe and Szegedy 2015, algorithm 2): gamma·(x − mean)/√(variance + epsilon) + beta,
 * folded into one multiplication and one addition a value.
 *
 * @param x `[…, C]`; all others `[C]`
 */
export function batchNormInference<T extends Tensor>(x: T, { mean, variance }: Moments, gamma: Tensor, beta: Tensor, epsilon: number): T {
  const factor = mul(gamma, rsqrt(add(variance, epsilon)));
  return affine(x, factor, sub(beta, mul(mean, factor)));
}

/**
 * Batch normalisation with the batch's own moments, as in training (Ioffe and Szegedy 2015, algorithm 1), its gradient in closed form.
 *
 * @param x `[…, C]`
 * @param moments those of x, from {@link momentsOf}
 * @param gamma `[C]`
 * @param beta `[C]`
 */
export function batchNormTraining<T extends Tensor>(x: T, moments: Moments, gamma: Tensor, beta: Tensor, epsilon: number): T {
  const count = x.size / channelsOf(x);
  return differentiable(
    [x, gamma, beta],
    (x, gamma, beta) => batchNormInference(x, moments, gamma, beta, epsilon),
    (dy, [x, gamma], _, [mean, variance]) => {
      const inverse = rsqrt(add(variance!, epsilon));
      const normal = mul(sub(x!, mean!), inverse);
      const dBeta = sumOverPositions(dy);
      const dGamma = sumOverPositions(mul(dy, normal));
      const dx = mul(sub(sub(dy, div(dBeta, count)), mul(normal, div(dGamma, count))), mul(gamma!, inverse));
      return [dx, dGamma, dBeta];
    },
    [moments.mean, moments.variance],
  ) as T;
}

/**
 * Layer normalisation over the channels (Ba et al. 2016).
 *
 * @param x `[…, C]`
 * @param gamma `[C]`
 * @param beta `[C]`
 */
export function layerNorm<T extends Tensor>(x: T, gamma: Tensor, beta: Tensor, epsilon: number): T {
  const centre = mean(x, -1, true);
  const variance = mean(squaredDifference(x, centre), -1, true);
  return affine(div(sub(x, centre), sqrt(add(variance, epsilon))) as T, gamma, beta);
}
