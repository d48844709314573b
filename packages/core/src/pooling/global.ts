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
  slice,
  sqrt,
  stack,
  squaredDifference,
  sub,
  unstack,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { fusedMoments, fusedPool, fusedProductPool, type PoolKind, type PoolView } from '../kernels/pool.js';
import { channelsOf, channelwise, onGpu, positionsOf, rowsOf, spread } from '../shapes.js';
import { checkKinds, MAX_CHANNELS, POOLS, type Pool } from './pool.js';

/**
 * The mean and the maximum of each channel over all positions, or one of them: {@link globalAvgPool} and {@link globalMaxPool} in one pass over the map.
 *
 * @param x `[N, …positions, C]`
 * @param kinds which, in the order in which they shall come
 * @returns `[kinds, N, C]`
 * @throws {@link BlockError} where there is no kind, or one twice
 */
export function globalPools(x: Tensor, kinds: readonly PoolKind[]): Tensor3D {
  checkKinds('globalPools', kinds);
  return differentiable(
    [x],
    (x) => fusedPool({ x }, { ...view(x, [kinds.length]), kinds }) ?? stack(kinds.map((kind) => composed(POOLS[kind], x))),
    (dy, [x]) => [
      unstack(dy)
        .map((dy, i) => GRADIENTS[kinds[i]](dy, x))
        .reduce((sum, dx) => add(sum, dx)),
    ],
  ) as Tensor3D;
}

/**
 * The mean of each channel over all positions.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, C]`
 */
export function globalAvgPool(x: Tensor): Tensor2D {
  return differentiable(
    [x],
    (x) => pool('avg', x),
    (dy, [x]) => [GRADIENTS.avg(dy, x)],
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
    (x) => pool('max', x),
    (dy, [x]) => [GRADIENTS.max(dy, x)],
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
      const moments = fusedMoments({ x }, view(x, [2]));
      if (moments) return sqrt(reshape(slice(moments, [1, 0, 0], [1, -1, -1]), [-1, channelsOf(x)]));
      const shifted = shift(x);
      return sqrt(pool('avg', squaredDifference(shifted, meanOf(shifted))));
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
  const sumOfPowers = (x: Tensor) => (p === 2 ? sumOfProducts(x, x) : mul(pool('avg', pow(abs(x), p)), positionsOf(x)));
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
      const peak = pool('max', x);
      const mean = pool('avg', exp(sub(x, channelwise(peak, x))));
      return add(peak, log(mul(mean, positionsOf(x))));
    },
    (dy, [x], y) => [mul(exp(sub(x, channelwise(y, x))), channelwise(dy, x))],
  ) as Tensor2D;
}

/** The sum of each channel over batch and positions: `[…, C]` to `[C]`. */
export function sumOverPositions(x: Tensor): Tensor {
  const channels = channelsOf(x);
  const rows = x.size / channels;
  return differentiable(
    [x],
    (x) =>
      fusedPool({ x }, { images: 1, rows, columns: channels, shape: [channels], kinds: ['sum'] }) ??
      reshape(mul(composed(avgPool, reshape(x, [1, -1, channels])), rows), [channels]),
    (dy, [x]) => [
      spread(
        reshape(
          dy,
          x.shape.map((_, axis) => (axis === x.rank - 1 ? channels : 1)),
        ),
        x,
      ),
    ],
  );
}

/** The sums of the products of two maps over all positions, `[N, …positions, C]` to `[N, C]`, with no gradient. The second may be the same for all images. */
export function sumOfProducts(x: Tensor, y: Tensor): Tensor {
  return fusedProductPool({ x, y }, view(x)) ?? mul(pool('avg', mul(x, y)), positionsOf(x));
}

const GRADIENTS: Record<PoolKind, (dy: Tensor, x: Tensor) => Tensor> = {
  avg: (dy, x) => spread(channelwise(div(dy, positionsOf(x)), x), x),
  max: (dy, x) => reshape(routeToMax(rowsOf(x), dy, 1), x.shape),
};

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
  return channelwise(pool('avg', x), x);
}

function pool(kind: PoolKind, x: Tensor): Tensor {
  return fusedPool({ x }, { ...view(x), kinds: [kind] }) ?? composed(POOLS[kind], x);
}

/** An image as a row of channels a position, and results a channel: `[...results, N, C]`. */
function view(x: Tensor, results: number[] = []): PoolView {
  const [images, columns] = [x.shape[0], channelsOf(x)];
  return { images, rows: positionsOf(x), columns, shape: [...results, images, columns] };
}

// tf.mean and tf.max over axes that are not innermost first transpose the whole map, on every backend. A pooling window as large
// as the map reads it once, in place.
function composed(pool: Pool, x: Tensor): Tensor {
  const channels = channelsOf(x);
  const positions = positionsOf(x);
  if (!onGpu() && channels > MAX_CHANNELS) {
    // Seen as a map of several columns, which have fewer channels each.
    const columns = leastDivisor(channels, Math.ceil(channels / MAX_CHANNELS));
    const map: Tensor4D = reshape(x, [-1, positions, columns, channels / columns]);
    return reshape(pool(map, [positions, 1], [1, 1], 'valid'), [-1, channels]);
  }
  // A GPU runs one thread an output: two windows in turn keep more of them busy than one large window.
  const width = onGpu() ? nearSquareSide(positions) : 1;
  const map: Tensor4D = reshape(x, [-1, positions / width, width, channels]);
  const columns = width > 1 ? pool(map, [1, width], [1, 1], 'valid') : map;
  return reshape(pool(columns, [positions / width, 1], [1, 1], 'valid'), [-1, channels]);
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
