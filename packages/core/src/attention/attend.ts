import { add, gather, mul, softmax, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { matMul, transposeLast } from '../matmul.js';
import { byTiles } from './tiles.js';

export interface AttendOptions {
  /** What the products of queries and keys are multiplied by. Default: 1. */
  readonly scale?: number;
  /** Added to the scaled products: `[B or 1, N, M]`, or `[B or 1, 1, M]` for the same at every query. Default: none. */
  readonly bias?: Tensor3D;
}

/**
 * Dot-product attention, softmax(q·kᵀ·scale + bias)·v (Vaswani et al. 2017, equation 1). Neither the forward nor the gradient holds more
 * than a tile of the N×M scores: memory grows with N + M.
 *
 * @param q queries `[B, N, D]`
 * @param k keys `[B, M, D]`
 * @param v values `[B, M, E]`
 * @returns `[B, N, E]`
 */
export function attend(q: Tensor3D, k: Tensor3D, v: Tensor3D, { scale = 1, bias }: AttendOptions = {}): Tensor3D {
  const perQuery = bias !== undefined && bias.shape[1] === q.shape[1] && q.shape[1] > 1;
  const rows: Tensor[] = [scaled(q, scale)];
  const shared: Tensor[] = [transposeLast(k), v];
  if (bias) (perQuery ? rows : shared).push(bias);
  const attendTile = ([q, rowBias]: Tensor[], [kT, v, sharedBias]: Tensor[]) => matMul(weigh(q!, kT!, rowBias ?? sharedBias), v!);
  return byTiles(rows, shared, k.shape[1], attendTile) as Tensor3D;
}

/**
 * The attention of chosen queries, without that of the others: softmax(q·kᵀ·scale + bias) at the rows `queries`.
 *
 * @param q `[B, N, D]`
 * @param k `[B, M, D]`
 * @param queries row indices
 * @returns `[B, queries, M]`
 */
export function attentionRows(q: Tensor3D, k: Tensor3D, queries: readonly number[], { scale = 1, bias }: AttendOptions = {}): Tensor3D {
  const pick = (x: Tensor3D) => gather(x, [...queries], 1);
  const perQuery = bias && bias.shape[1] > 1 ? pick(bias) : bias;
  return weigh(scaled(pick(q), scale), transposeLast(k), perQuery) as Tensor3D;
}

function weigh(q: Tensor, kT: Tensor, bias: Tensor | undefined): Tensor {
  const scores = matMul(q, kT);
  return softmax(bias ? add(scores, bias) : scores);
}

function scaled<T extends Tensor>(q: T, scale: number): T {
  return scale === 1 ? q : mul(q, scale);
}
