import { avgPool, div, expandDims, maxPool, reshape, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { onGpu, spread } from '../shapes.js';
import { MAX_CHANNELS, type Pool } from './pool.js';

/** The axis that a strip pooling removes. */
export type StripAxis = 'height' | 'width';

const AXIS = { height: 1, width: 2 } as const;

/**
 * The mean over the height or over the width: what is left is one strip.
 *
 * @param x `[N, H, W, C]`
 * @param over `width` leaves `[N, H, C]`, `height` leaves `[N, W, C]`
 */
export function stripAvgPool(x: Tensor4D, over: StripAxis): Tensor3D {
  const axis = AXIS[over];
  return differentiable(
    [x],
    (x) => pool(avgPool, x as Tensor4D, over),
    (dy, [x]) => [spread(expandDims(div(dy, x.shape[axis] as number), axis), x)],
  ) as Tensor3D;
}

/**
 * The maximum over the height or over the width. Its gradient goes to the first position that holds it.
 *
 * @param x `[N, H, W, C]`
 * @param over `width` leaves `[N, H, C]`, `height` leaves `[N, W, C]`
 */
export function stripMaxPool(x: Tensor4D, over: StripAxis): Tensor3D {
  const axis = AXIS[over];
  return differentiable(
    [x],
    (x) => pool(maxPool, x as Tensor4D, over),
    (dy, [x]) => [routeToMax(x, dy, axis)],
  ) as Tensor3D;
}

function pool(kind: Pool, x: Tensor4D, over: StripAxis): Tensor {
  const [batch, height, width, channels] = x.shape;
  const strip = [batch, over === 'height' ? width : height, channels];
  const depth = over === 'height' ? width * channels : channels;
  if (onGpu() || depth > MAX_CHANNELS) return reshape(kind(x, over === 'height' ? [height, 1] : [1, width], [1, 1], 'valid'), strip);
  // Seen as maps one position wide, each pooled whole: wasm then takes two thirds of the time.
  const columns: Tensor4D = reshape(x, over === 'height' ? [batch, height, 1, depth] : [batch * height, width, 1, depth]);
  return reshape(kind(columns, [columns.shape[1], 1], [1, 1], 'valid'), strip);
}
