import {
  add,
  batchNorm,
  concat,
  div,
  expandDims,
  getBackend,
  mul,
  reshape,
  rsqrt,
  square,
  squaredDifference,
  sub,
  tidy,
  unstack,
  zerosLike,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core';
import { activated, type Activation } from './activations.js';
import { differentiable } from './gradient.js';
import { fusedAffine } from './kernels/affine.js';
import { fusedMoments } from './kernels/pool.js';
import { channelAvgPool } from './pooling/channel.js';
import { globalAvgPool, sumOfProducts, sumOverPositions } from './pooling/global.js';
import { channelsOf } from './shapes.js';

/** The mean and the biased variance of each channel over batch and positions, each `[C]`. */
export interface Moments {
  readonly mean: Tensor1D;
  readonly variance: Tensor1D;
}

/** A batch normalisation with given moments; all `[C]`. */
export interface InferenceNorm extends Moments {
  readonly gamma: Tensor1D;
  readonly beta: Tensor1D;
  readonly epsilon: number;
}

/** An affine map of each channel: a factor and an offset, each `[C]`. */
export interface ChannelAffine {
  readonly factor: Tensor1D;
  readonly offset: Tensor1D;
}

/**
 * The moments of `x`, `[…, C]`, over all axes but the last. No gradient passes through them.
 */
export function momentsOf(x: Tensor): Moments {
  // As one operation with no gradient: on the tape its steps would keep two maps of x's size until the end of a training step.
  const both = (x: Tensor) => {
    const channels = channelsOf(x);
    const fused = fusedMoments({ x }, { images: 1, rows: x.size / channels, columns: channels, shape: [2, channels] });
    if (fused) return fused;
    const rows = reshape(x, [1, -1, channels]);
    const mean = globalAvgPool(rows);
    return concat([mean, globalAvgPool(squaredDifference(rows, expandDims(mean, 1)))]); // [2, C]
  };
  const [mean, variance] = tidy(() => unstack(differentiable([x], both, (_, [x]) => [zerosLike(x)]))) as Tensor1D[];
  return { mean, variance };
}

/**
 * x·factor + offset, channel by channel.
 *
 * @param x `[…, C]`
 * @param factor `[C]`
 * @param offset `[C]`
 */
export function affine<T extends Tensor>(x: T, factor: Tensor, offset: Tensor): T {
  const fused = (x: Tensor, gamma: Tensor, beta: Tensor) => fusedAffine({ x, gamma, beta }, { epsilon: 0, activation: undefined });
  return (
    (fused(x, factor, offset) as T | undefined) ??
    rowWise(
      x,
      [factor, offset],
      (x, factor, offset) => fused(x, factor, offset) ?? add(mul(x, factor), offset),
      (dy, [x, factor]) => [mul(dy, factor), sumOfRowProducts(dy, x), sumOverPositions(dy)],
    )
  );
}

// From this many values on, one multiplication and one addition a value take wasm less time than its batch norm, a scalar loop.
const LOOP_VALUES = 12_288;

/**
 * Batch normalisation with given moments, as a factor and an offset for each channel, each `[C]`.
 */
export function foldBatchNorm({ mean, variance }: Moments, gamma: Tensor, beta: Tensor, epsilon: number): ChannelAffine {
  const factor: Tensor1D = mul(gamma, rsqrt(add(variance, epsilon)));
  return { factor, offset: sub(beta, mul(mean, factor)) };
}

/**
 * Batch normalisation with given moments, as at inference (Ioffe and Szegedy 2015, algorithm 2): gamma·(x − mean)/√(variance + epsilon) + beta.
 * No gradient passes through the moments.
 *
 * @param x `[…, C]`; all others `[C]`
 * @param activation what follows, in the same pass where that can be
 */
export function batchNormInference<T extends Tensor>(
  x: T,
  moments: Moments,
  gamma: Tensor,
  beta: Tensor,
  epsilon: number,
  activation?: Activation,
): T {
  const { mean, variance } = moments;
  const fused = fusedAffine({ x, gamma, beta, mean, variance }, { epsilon, activation }) as T | undefined;
  if (fused) return fused;
  const forward = (x: Tensor, gamma: Tensor, beta: Tensor): Tensor => {
    const fused = fusedAffine({ x, gamma, beta, mean, variance }, { epsilon, activation: undefined });
    if (fused) return fused;
    if (getBackend() !== 'wasm' || x.size < LOOP_VALUES)
      return batchNorm(x as Tensor2D, mean, variance, beta as Tensor1D, gamma as Tensor1D, epsilon);
    const { factor, offset } = foldBatchNorm(moments, gamma, beta, epsilon);
    return affine(x, factor, offset);
  };
  const gradient = (dy: Tensor, [x, gamma]: Tensor[], _: Tensor, [mean, variance]: Tensor[]): Tensor[] => {
    const inverse = rsqrt(add(variance, epsilon));
    return [mul(dy, mul(gamma, inverse)), mul(sumOfRowProducts(dy, sub(x, mean)), inverse), sumOverPositions(dy)];
  };
  return activated(rowWise(x, [gamma, beta], forward, gradient, [mean, variance]), activation);
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
  const forward = (x: Tensor, gamma: Tensor, beta: Tensor): Tensor => batchNormInference(x, moments, gamma, beta, epsilon);
  const gradient = (dy: Tensor, [x, gamma]: Tensor[], _: Tensor, [mean, variance]: Tensor[]): Tensor[] => {
    const inverse = rsqrt(add(variance, epsilon));
    const centred = sub(x, mean);
    const dBeta = sumOverPositions(dy);
    const dGamma = mul(sumOfRowProducts(dy, centred), inverse);
    // gamma·inverse·(dy − dBeta / count − centred·inverse·dGamma / count), with as few passes over the map as can be.
    const factor = mul(gamma, inverse);
    const share = div(factor, -count);
    const dx = add(affine(dy, factor, mul(share, dBeta)), mul(centred, mul(share, mul(inverse, dGamma))));
    return [dx, dGamma, dBeta];
  };
  return rowWise(x, [gamma, beta], forward, gradient, [moments.mean, moments.variance]);
}

/**
 * Layer normalisation over the channels (Ba et al. 2016).
 *
 * @param x `[…, C]`
 * @param gamma `[C]`
 * @param beta `[C]`
 */
export function layerNorm<T extends Tensor>(x: T, gamma: Tensor, beta: Tensor, epsilon: number): T {
  return rowWise(
    x,
    [gamma, beta],
    (x, gamma, beta) => add(mul(standardise(x, epsilon).normal, gamma), beta),
    (dy, [x, gamma]) => {
      const { normal, inverse } = standardise(x, epsilon);
      const slope = mul(dy, gamma);
      const dx = mul(sub(sub(slope, meanOfChannels(slope)), mul(normal, meanOfChannels(mul(slope, normal)))), inverse);
      return [dx, sumOfRowProducts(dy, normal), sumOverPositions(dy)];
    },
  );
}

// (x − mean) / √(variance + epsilon) at each position, and the divisor's inverse.
function standardise(x: Tensor, epsilon: number) {
  const centred = sub(x, meanOfChannels(x));
  const inverse = rsqrt(add(meanOfChannels(square(centred)), epsilon));
  return { normal: mul(centred, inverse), inverse };
}

function meanOfChannels(x: Tensor): Tensor {
  return expandDims(channelAvgPool(x), -1);
}

// Σ x·y of each channel over rows of channels, `[C]`.
function sumOfRowProducts(x: Tensor, y: Tensor): Tensor {
  return reshape(sumOfProducts(expandDims(x, 0), expandDims(y, 0)), [channelsOf(x)]);
}

type Differentiable = Parameters<typeof differentiable>;

// An operation of x and some values a channel, on rows of channels `[P, C]`: WebGPU cannot add or multiply rank 5 by rank 1.
function rowWise<T extends Tensor>(x: T, perChannel: Tensor[], forward: Differentiable[1], gradient: Differentiable[2], constants?: Tensor[]): T {
  return tidy(() => {
    const rows = reshape(x, [-1, channelsOf(x)]);
    return reshape(differentiable([rows, ...perChannel], forward, gradient, constants), x.shape) as T;
  });
}
