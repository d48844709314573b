import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { relativeLogits, type PlaneBias } from '../attention/plane-bias.js';
import type { WeightScope } from '../weights.js';

/** Learned embeddings of how far a key lies from a query, along the height and along the width of a map, the same for all heads (Bello et al. 2019, section 3.2). */
export interface RelativePositions {
  /** What they add to the logits of queries at all positions, `[B, H·W, channels]`. */
  (q: Tensor3D): PlaneBias;
  /** Multiply-adds for so many queries. */
  macs(queries: number): number;
}

/** Declares a {@link RelativePositions} part for maps of one size, with the weights `height` `[2·H − 1, channels]` and `width` `[2·W − 1, channels]`. */
export function relativePositions(
  weights: WeightScope,
  [height, width]: readonly [height: number, width: number],
  channels: number,
): RelativePositions {
  const normal = initializers.randomNormal({ mean: 0, stddev: 1 / Math.sqrt(channels) });
  const distances = { height: 2 * height - 1, width: 2 * width - 1 };
  const ofHeight = weights.add('height', [distances.height, channels], normal);
  const ofWidth = weights.add('width', [distances.width, channels], normal);
  const apply = (q: Tensor3D) => relativeLogits(q, [height, width], { height: ofHeight.read() as Tensor2D, width: ofWidth.read() as Tensor2D });
  return Object.assign(apply, { macs: (queries: number) => queries * channels * (distances.height + distances.width) });
}
