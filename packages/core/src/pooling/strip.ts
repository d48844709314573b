import { avgPool, div, expandDims, maxPool, squeeze, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { spread } from '../shapes.js';

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
    (x) => squeeze(avgPool(x as Tensor4D, windowOver(x as Tensor4D, over), 1, 'valid'), [axis]),
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
    (x) => squeeze(maxPool(x as Tensor4D, windowOver(x as Tensor4D, over), 1, 'valid'), [axis]),
    (dy, [x]) => [routeToMax(x, dy, axis)],
  ) as Tensor3D;
}

function windowOver(x: Tensor4D, over: StripAxis): [number, number] {
  return over === 'height' ? [x.shape[1], 1] : [1, x.shape[2]];
}
