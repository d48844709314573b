/** The bottom-up top-down structure of the soft mask branch, section 3.2 and figure 2 of the paper. */
import { resizeBilinear, type WeightScope } from '@saccade/core';
import { add, maxPool, type Tensor4D } from '@tensorflow/tfjs-core';
import type { ResidualUnit } from './residual-unit.js';

/** Pooling that halves a size n: to ⌊n/2⌋ by windows from the first pixel on, or to ⌈n/2⌉ by windows about every other pixel. */
export type Pooling = 'caffe' | 'pytorch';

/** Goes down `depth` times by half, and up again as often. */
export interface Hourglass {
  /** `[N, H, W, C]` to the same shape */
  (x: Tensor4D, training: boolean): Tensor4D;
  macs(inputShape: readonly number[]): number;
}

export interface HourglassOptions {
  readonly depth: number;
  readonly pooling: Pooling;
  /** Whether what enters a level is added again beside its skip connection. */
  readonly extraSkips: boolean;
  /** Defines a residual unit that keeps the number of channels. */
  readonly unit: (weights: WeightScope) => ResidualUnit;
}

/**
 * Declares an {@link Hourglass}: between a pooling and an upsampling stands a residual unit, an hourglass one less deep beside a skip
 * connection, and another residual unit. At the bottom the two residual units follow each other.
 */
export function hourglass(weights: WeightScope, options: HourglassOptions): Hourglass {
  const { depth, pooling, extraSkips, unit } = options;
  const down = unit(weights.at('down'));
  const skip = depth > 1 ? unit(weights.at('skip')) : null;
  const inner = depth > 1 ? hourglass(weights.at('inner'), { ...options, depth: depth - 1 }) : null;
  const up = unit(weights.at('up'));

  const between = (x: Tensor4D, training: boolean): Tensor4D => {
    if (!inner || !skip) return x;
    const y = extraSkips ? add<Tensor4D>(inner(x, training), x) : inner(x, training);
    return add(y, skip.forward(x, training));
  };
  const apply = (x: Tensor4D, training: boolean): Tensor4D => {
    const half = down.forward(pool(x, pooling), training); // [N, H/2, W/2, C]
    const y = up.forward(between(half, training), training);
    return resizeBilinear(y, [x.shape[1], x.shape[2]]); // [N, H, W, C]
  };
  const macs = ([images, height, width, channels]: readonly number[]): number => {
    const half = [images, pooledSize(height, pooling), pooledSize(width, pooling), channels];
    return down.macs(half) + up.macs(half) + (skip?.macs(half) ?? 0) + (inner?.macs(half) ?? 0);
  };
  return Object.assign(apply, { macs });
}

/** The height or width of a pooled map. */
export function pooledSize(size: number, pooling: Pooling): number {
  return pooling === 'caffe' ? Math.floor(size / 2) : Math.ceil(size / 2);
}

// The maximum of 3×3 windows, two pixels apart; padding is never the maximum.
function pool(x: Tensor4D, pooling: Pooling): Tensor4D {
  const pads: [before: number, after: number] = pooling === 'caffe' ? [0, 1] : [1, 1];
  return maxPool(x, 3, 2, [[0, 0], pads, pads, [0, 0]]);
}
