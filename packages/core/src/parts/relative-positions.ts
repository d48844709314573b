import { mul, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { attendInPlane, attentionRowsInPlane } from '../attention/plane.js';
import type { PlaneTables } from '../attention/plane-bias.js';
import type { Weight, WeightScope } from '../weights.js';

/** Learned embeddings of how far a key lies from a query, along the height and along the width of a map, the same for all heads (Bello et al. 2019, section 3.2). */
export interface RelativePositions {
  /** Attention whose logits are the products of queries with keys and with embeddings: q and k `[B, H·W, channels]`, v `[B, H·W, E]`, to `[B, H·W, E]`. */
  attend(q: Tensor3D, k: Tensor3D, v: Tensor3D): Tensor3D;
  /** The attention of chosen queries, `[B, queries, H·W]`. */
  rows(q: Tensor3D, k: Tensor3D, queries: readonly number[]): Tensor3D;
  /** Multiply-adds of the logits of positions for so many queries. */
  macs(queries: number): number;
}

export interface RelativePositionsOptions {
  /** What the logits of positions are multiplied by. Default: 1. */
  readonly scale?: number;
}

/** Declares a {@link RelativePositions} part for maps of one size, with the weights `height` `[2·H − 1, channels]` and `width` `[2·W − 1, channels]`. */
export function relativePositions(
  weights: WeightScope,
  size: readonly [height: number, width: number],
  channels: number,
  { scale = 1 }: RelativePositionsOptions = {},
): RelativePositions {
  const normal = initializers.randomNormal({ mean: 0, stddev: 1 / Math.sqrt(channels) });
  const [heights, widths] = size.map((length) => 2 * length - 1);
  const ofHeight = weights.add('height', [heights, channels], normal);
  const ofWidth = weights.add('width', [widths, channels], normal);
  // The embeddings are far fewer than the logits.
  const scaled = (table: Weight) => (scale === 1 ? table.read() : mul(table.read(), scale)) as Tensor2D;
  const tables = (): PlaneTables => ({ height: scaled(ofHeight), width: scaled(ofWidth) });
  return {
    attend: (q, k, v) => attendInPlane(q, k, v, size, tables()),
    rows: (q, k, queries) => attentionRowsInPlane(q, k, queries, size, tables()),
    macs: (queries) => queries * channels * (heights + widths),
  };
}
