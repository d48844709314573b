import {
  abs,
  add,
  avgPool,
  div,
  divNoNan,
  exp,
  log,
  maxPool,
  mul,
  pow,
  reshape,
  sign,
  sqrt,
  square,
  squaredDifference,
  sub,
  tidy,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { channelsOf, channelwise, onGpu, positionsOf, spread } from '../shapes.js';
import { MAX_CHANNELS, type Pool } from './pool.js';

// tf.mean and tf.max over axes that are not innermost first transpose the whole map, on every backend. A pooling window as large
// as the map reads it once, in place.

/**
 * The mean of each channel over all positions.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalAvgPool(x: Tensor): Tensor2D {
  return differentiable(
    [x],
    (x) => pool(avgPool, x),
    (dy, [x]) => [spread(channelwise(div(dy, positionsOf(x)), x), x)],
  ) as Tensor2D;
}

/**
 * The largest value of each channel over all positions. Its gradient goes to one position, the first that holds it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalMaxPool(x: Tensor): Tensor2D {
  return differentiable(
    [x],
    (x) => pool(maxPool, x),
    (dy, [x]) => [reshape(routeToMax(reshape(x, [x.shape[0], -1, channelsOf(x)]), dy, 1), x.shape)],
  ) as Tensor2D;
}

/**
 * The standard deviation of each channel over all positions, √E[(x − E x)²]. Where it is 0, so is its gradient.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalStdPool(x: Tensor): Tensor2D {
  return differentiable(
    [x],
    (x) => {
      const shifted = shift(x);
      return sqrt(pool(avgPool, squaredDifference(shifted, meanOf(shifted))));
    },
    (dy, [x], y) => {
      const shifted = shift(x);
      return [mul(sub(shifted, meanOf(shifted)), channelwise(divNoNan(dy, mul(y, positionsOf(x))), x))];
    },
  ) as Tensor2D;
}

/**
 * The p-norm of each channel over all positions, (Σ|x|ᵖ)^(1/p): a sum, not a mean, as in PyTorch's `lp_pool2d`, which leaves the absolute
 * value out and so differs for odd p and negative x. Where it is 0, so is its gradient.
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
      if (p === 2) return [mul(x, channelwise(divNoNan(dy, y), x))];
      const share = mul(x, channelwise(divNoNan(1, y), x));
      return [mul(mul(sign(x), pow(abs(share), p - 1)), channelwise(dy, x))];
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
    (dy, [x], y) => [mul(exp(sub(x, channelwise(y, x))), channelwise(dy, x))],
  ) as Tensor2D;
}

/** The sum of each channel over batch and positions: `[…, C]` to `[C]`. */
export function sumOverPositions(x: Tensor): Tensor {
  const channels = channelsOf(x);
  return tidy(() => reshape(mul(globalAvgPool(reshape(x, [1, -1, channels])), x.size / channels), [channels]));
}

// Less a value of each channel. What is constant becomes exactly 0; about a rounded mean it would deviate, all to one side.
function shift(x: Tensor): Tensor {
  const positions = positionsOf(x);
  if (positions === 1) return sub(x, x);
  // The larger of the first two values, since tf.slice reads the whole map.
  const rows: Tensor4D = reshape(x, [-1, positions, 1, channelsOf(x)]);
  const value = maxPool(rows, [2, 1], [positions, 1], 'valid'); // [N, 1, 1, C]
  return sub(x, channelwise(reshape(value, [-1, channelsOf(x)]), x));
}

function meanOf(x: Tensor): Tensor {
  return channelwise(pool(avgPool, x), x);
}

function pool(kind: Pool, x: Tensor): Tensor {
  const channels = channelsOf(x);
  const positions = positionsOf(x);
  if (!onGpu() && channels > MAX_CHANNELS) {
    // Seen as a map of several columns, which have fewer channels each.
    const columns = leastDivisor(channels, Math.ceil(channels / MAX_CHANNELS));
    const map: Tensor4D = reshape(x, [-1, positions, columns, channels / columns]);
    return reshape(kind(map, [positions, 1], [1, 1], 'valid'), [-1, channels]);
  }
  // A GPU runs one thread an output: two windows in turn keep more of them busy than one large window.
  const width = onGpu() ? nearSquareSide(positions) : 1;
  const map: Tensor4D = reshape(x, [-1, positions / width, width, channels]);
  const columns = width > 1 ? kind(map, [1, width], [1, 1], 'valid') : map;
  return reshape(kind(columns, [positions / width, 1], [1, 1], 'valid'), [-1, channels]);
}

/** The largest divisor of `area` that is not above its root. */
function nearSquareSide(area: number): number {
  for (let side = Math.floor(Math.sqrt(area)); side > 1; side--) if (area % side === 0) return side;
  return 1;
}

/** The smallest divisor of `value` from `least` on. */
function leastDivisor(value: number, least: number): number {
  let divisor = least;
  while (value % divisor !== 0) divisor++;
  return divisor;
}
