import {
  abs, add, avgPool, div, divNoNan, exp, getBackend, log, maxPool, mul, pow, reshape, sign, sqrt, square, sub, tile, type Tensor, type Tensor2D, type Tensor4D,
} from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { channelsOf, channelwise, positionsOf } from '../shapes.js';

// tf.mean and tf.max over axes that are not innermost first transpose the whole map, on every backend. A pooling window as large
// as the map reads it once, in place.

/**
 * The mean of each channel over all positions.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalAvgPool(x: Tensor): Tensor2D {
  return differentiable([x], (x) => pool(avgPool, x), (dy, [x]) => [tile(channelwise(div(dy, positionsOf(x!)), x!), [1, ...x!.shape.slice(1, -1), 1])]) as Tensor2D;
}

/**
 * The largest value of each channel over all positions. Its gradient goes to one position, the first that holds it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalMaxPool(x: Tensor): Tensor2D {
  return differentiable([x], (x) => pool(maxPool, x), (dy, [x]) => [reshape(routeToMax(reshape(x!, [x!.shape[0]!, -1, channelsOf(x!)]), dy, 1), x!.shape)]) as Tensor2D;
}

/**
 * The standard deviation of each channel over all positions, √E[(x − E x)²]. Where it is 0, so is its gradient.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalStdPool(x: Tensor): Tensor2D {
  const centred = (x: Tensor) => sub(x, channelwise(pool(avgPool, x), x));
  return differentiable(
    [x],
    (x) => sqrt(pool(avgPool, square(centred(x)))),
    (dy, [x], y) => [mul(centred(x!), channelwise(divNoNan(dy, mul(y, positionsOf(x!))), x!))],
  ) as Tensor2D;
}

/**
 * The p-norm of each channel over all positions, (Σ|x|ᵖ)^(1/p): a sum, not a mean, as in PyTorch's `lp_pool2d`. Where it is 0, so is its gradient.
 *
 * @param x `[N, …positions, C]`
 * @param p the norm's exponent, at least 1
 * @returns `[N, C]`
 */
export function globalLpPool(x: Tensor, p = 2): Tensor2D {
  const sumOfPowers = (x: Tensor) => mul(pool(avgPool, p === 2 ? square(x) : pow(abs(x), p)), positionsOf(x));
  return differentiable(
    [x],
    (x) => (p === 2 ? sqrt(sumOfPowers(x)) : pow(sumOfPowers(x), 1 / p)),
    (dy, [x], y) => {
      const slope = p === 2 ? x! : mul(sign(x!), pow(abs(x!), p - 1));
      return [mul(slope, channelwise(divNoNan(dy, p === 2 ? y : pow(y, p - 1)), x!))];
    },
  ) as Tensor2D;
}

/**
 * The soft maximum of each channel over all positions, log Σ exp x, safe from overflow.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalLogSumExpPool(x: Tensor): Tensor2D {
  return differentiable(
    [x],
    (x) => {
      const peak = pool(maxPool, x);
      const mean = pool(avgPool, exp(sub(x, channelwise(peak, x))));
      return add(peak, log(mul(mean, positionsOf(x))));
    },
    (dy, [x], y) => [mul(exp(sub(x!, channelwise(y, x!))), channelwise(dy, x!))],
  ) as Tensor2D;
}

/** The sum of each channel over batch and positions: `[…, C]` to `[C]`. */
export function sumOverPositions(x: Tensor): Tensor {
  const channels = channelsOf(x);
  return reshape(mul(globalAvgPool(reshape(x, [1, -1, channels])), x.size / channels), [channels]);
}

type Pool = (x: Tensor4D, window: [number, number], strides: [number, number], pad: 'valid') => Tensor4D;

function pool(kind: Pool, x: Tensor): Tensor {
  const channels = channelsOf(x);
  const width = x.rank > 3 ? x.shape[x.rank - 2]! : 1;
  const height = positionsOf(x) / width;
  const map = reshape(x, [-1, height, width, channels]) as Tensor4D;
  // A GPU runs one thread an output: two windows in turn keep more of them busy than one large window.
  const pooled = onGpu() ? kind(kind(map, [1, width], [1, 1], 'valid'), [height, 1], [1, 1], 'valid') : kind(map, [height, width], [1, 1], 'valid');
  return reshape(pooled, [-1, channels]);
}

function onGpu(): boolean {
  return getBackend() !== 'wasm' && getBackend() !== 'cpu';
}
