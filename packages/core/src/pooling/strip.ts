import { add, concat, div, expandDims, reshape, slice, stack, unstack, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable, routeToMax } from '../gradient.js';
import { fusedPool, fusedStripPools, type PoolKind } from '../kernels/pool.js';
import { onGpu, spread } from '../shapes.js';
import { checkKinds, MAX_CHANNELS, POOLS } from './pool.js';

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
  return stripPool('avg', x, over);
}

/**
 * The maximum over the height or over the width. Its gradient goes to the first position that holds it.
 *
 * @param x `[N, H, W, C]`
 * @param over `width` leaves `[N, H, C]`, `height` leaves `[N, W, C]`
 */
export function stripMaxPool(x: Tensor4D, over: StripAxis): Tensor3D {
  return stripPool('max', x, over);
}

/**
 * The strips of both directions in one pass over the map: the means, the maxima or both, over the width and, behind them, over the height.
 *
 * @param x `[N, H, W, C]`
 * @param kinds which, in the order in which they shall come
 * @returns `[kinds, N, H + W, C]`
 * @throws {@link BlockError} where there is no kind, or one twice
 */
export function stripPools(x: Tensor4D, kinds: readonly PoolKind[]): Tensor4D {
  checkKinds('stripPools', kinds);
  const both = (x: Tensor4D, kind: PoolKind) => concat([pool(kind, x, 'width'), pool(kind, x, 'height')], 1);
  return differentiable(
    [x],
    (x) => fusedStripPools({ x }, { kinds }) ?? stack(kinds.map((kind) => both(x as Tensor4D, kind))),
    (dy, [x]) => {
      const [, height, width] = x.shape;
      const each = unstack(dy).flatMap((dy, i) => [
        GRADIENTS[kinds[i]](slice(dy, [0, 0, 0], [-1, height, -1]), x, 'width'),
        GRADIENTS[kinds[i]](slice(dy, [0, height, 0], [-1, width, -1]), x, 'height'),
      ]);
      return [each.reduce((sum, dx) => add(sum, dx))];
    },
  ) as Tensor4D;
}

function stripPool(kind: PoolKind, x: Tensor4D, over: StripAxis): Tensor3D {
  return differentiable(
    [x],
    (x) => pool(kind, x as Tensor4D, over),
    (dy, [x]) => [GRADIENTS[kind](dy, x, over)],
  ) as Tensor3D;
}

const GRADIENTS: Record<PoolKind, (dy: Tensor, x: Tensor, over: StripAxis) => Tensor> = {
  avg: (dy, x, over) => spread(expandDims(div(dy, x.shape[AXIS[over]] as number), AXIS[over]), x),
  max: (dy, x, over) => routeToMax(x, dy, AXIS[over]),
};

function pool(kind: PoolKind, x: Tensor4D, over: StripAxis): Tensor {
  const [batch, height, width, channels] = x.shape;
  // Seen as maps one position wide, each pooled whole.
  const [images, rows, columns] = over === 'height' ? [batch, height, width * channels] : [batch * height, width, channels];
  const shape = [batch, over === 'height' ? width : height, channels];
  const fused = fusedPool({ x }, { images, rows, columns, shape, kinds: [kind] });
  if (fused) return fused;
  const composed = POOLS[kind];
  if (onGpu() || columns > MAX_CHANNELS) return reshape(composed(x, over === 'height' ? [height, 1] : [1, width], [1, 1], 'valid'), shape);
  // On wasm this takes two thirds of the time.
  return reshape(composed(reshape(x, [images, rows, 1, columns]), [rows, 1], [1, 1], 'valid'), shape);
}
