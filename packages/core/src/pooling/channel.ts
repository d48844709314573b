import { avgPool, div, expandDims, getBackend, max, maxPool, mean, reshape, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { channelsOf, spread } from '../shapes.js';
import type { Pool } from './pool.js';

/**
 * The mean of the channels at each position.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, …positions]`
 */
export function channelAvgPool(x: Tensor): Tensor {
  return differentiable(
    [x],
    (x) => mean(fold(x, avgPool), -1),
    (dy, [x]) => [spread(expandDims(div(dy, channelsOf(x)), -1), x)],
  );
}

/**
 * The largest channel at each position. Its gradient goes to the first channel that holds it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, …positions]`
 */
export function channelMaxPool(x: Tensor): Tensor {
  return differentiable(
    [x],
    (x) => max(fold(x, maxPool), -1),
    (dy, [x]) => [routeToMax(x, dy, x.rank - 1)],
  );
}

// On wasm a reduction of the innermost axis is a scalar loop. Seen as C/k columns of k channels, a pooling window
// reduces k channels at a time with SIMD, and the loop is left with k values a position.
function fold(x: Tensor, pool: Pool): Tensor {
  const channels = channelsOf(x);
  const lanes = [16, 8, 32, 4].find((k) => channels % k === 0 && channels > k);
  if (getBackend() !== 'wasm' || lanes === undefined) return x;
  const columns = channels / lanes;
  const map: Tensor4D = reshape(x, [1, -1, columns, lanes]);
  const folded = pool(map, [1, columns], [1, 1], 'valid');
  return reshape(folded, [...x.shape.slice(0, -1), lanes]);
}
