import { expandDims, squeeze, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { attend, attentionRows } from './attend.js';
import { relativeLogits, type PlaneBias, type PlaneTables } from './plane-bias.js';
import { byTiles } from './tiles.js';

/**
 * Attention among the positions of a plane with the logits of relative positions, softmax(q·kᵀ + bias)·v with the bias of {@link relativeLogits}.
 * That bias takes H + W values a query, and many times as many to compute: it is only ever there for a few images, in the gradient neither.
 *
 * @param q queries `[B, H·W, D]`, row by row
 * @param k keys `[B, H·W, D]`
 * @param v values `[B, H·W, E]`
 * @param size H and W
 * @returns `[B, H·W, E]`
 */
export function attendInPlane(q: Tensor3D, k: Tensor3D, v: Tensor3D, size: readonly [height: number, width: number], tables: PlaneTables): Tensor3D {
  return byImages(q, [k, v], size, tables, ([k, v], q, bias) => attend(q, k, v, { bias }));
}

/**
 * The attention of chosen queries in {@link attendInPlane}.
 *
 * @param queries row indices
 * @returns `[B, queries, H·W]`
 */
export function attentionRowsInPlane(
  q: Tensor3D,
  k: Tensor3D,
  queries: readonly number[],
  size: readonly [height: number, width: number],
  tables: PlaneTables,
): Tensor3D {
  return byImages(q, [k], size, tables, ([k], q, bias) => attentionRows(q, k, queries, { bias }));
}

// The products with embeddings of distances, twice as many as there are positions; copies of them; and the logits.
const VALUES_PER_LINE = 7;

function byImages(
  q: Tensor3D,
  shared: Tensor3D[],
  size: readonly [height: number, width: number],
  { height, width }: PlaneTables,
  f: (shared: Tensor3D[], q: Tensor3D, bias: PlaneBias) => Tensor3D,
): Tensor3D {
  const tile = ([height, width, ...shared]: Tensor[]) => {
    const tables = { height: squeeze<Tensor2D>(height, [0]), width: squeeze<Tensor2D>(width, [0]) };
    return ([q]: Tensor[]) => f(shared as Tensor3D[], q as Tensor3D, relativeLogits(q as Tensor3D, size, tables));
  };
  const inputs = [expandDims(height, 0), expandDims(width, 0), ...shared];
  return byTiles([q], inputs, VALUES_PER_LINE * Math.max(...size), tile, { wholeImages: true }) as Tensor3D;
}
