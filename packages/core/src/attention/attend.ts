import { add, gather, getBackend, matMul as nativeMatMul, mul, softmax, sub, sum, tidy, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { canFuse, fusedAttend } from '../kernels/wasm/attend.js';
import { matMul, transposeLast } from '../matmul.js';
import { byTiles, type TileFunction, type TileGradient } from './tiles.js';

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
  const perQuery = bias !== undefined && bias.shape[1] > 1;
  return tidy(() => {
    const rows: Tensor[] = [scaled(q, scale)];
    const shared: Tensor[] = [k, v];
    if (bias) (perQuery ? rows : shared).push(bias);
    const fused = canFuse() ? fusedTile : undefined;
    return byTiles(rows, shared, k.shape[1], attendTile, { gradient: attendTileGradient, fused }) as Tensor3D;
  });
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
  return tidy(() => {
    const rowBias = bias && bias.shape[1] > 1 ? pick(bias) : bias;
    return weigh(scaled(pick(q), scale), transposeLast(k), rowBias) as Tensor3D;
  });
}

const attendTile: TileFunction = ([k, v, sharedBias]) => {
  const kT = transposeLast(k); // once for all tiles; XNNPACK packs it once, too
  return ([q, rowBias]) => matMul(weigh(q, kT, rowBias ?? sharedBias), v);
};

const fusedTile = ([k, v, sharedBias]: Tensor[], [q, rowBias]: Tensor[]) => fusedAttend(q, k, v, rowBias ?? sharedBias);

const attendTileGradient: TileGradient = ([k, v, sharedBias]) => {
  const [kT, vT] = [transposeLast(k), transposeLast(v)];
  return (dy, [q, rowBias], y) => {
    const bias: Tensor | undefined = rowBias ?? sharedBias;
    const weights = weigh(q, kT, bias);
    // Σ dWeights·weights over the keys is Σ dy·y over the values, which is a shorter sum.
    const dScores = mul(weights, sub(matMul(dy, vT), sum(mul(dy, y), -1, true)));
    const [dq, dk, dv] = [matMul(dScores, k), transposedMatMul(dScores, q), transposedMatMul(weights, dy)];
    if (!bias) return [dq, dk, dv];
    const dBias = sumTo(bias.shape, dScores);
    return rowBias ? [dq, dBias, dk, dv] : [dq, dk, dv, dBias];
  };
};

function weigh(q: Tensor, kT: Tensor, bias: Tensor | undefined): Tensor {
  const scores = matMul(q, kT);
  return softmax(bias ? add(scores, bias) : scores);
}

function scaled<T extends Tensor>(q: T, scale: number): T {
  return scale === 1 ? q : mul(q, scale);
}

// aᵀ·b. Other backends than wasm read a matrix either way.
function transposedMatMul(a: Tensor, b: Tensor): Tensor {
  return getBackend() === 'wasm' ? matMul(transposeLast(a), b) : nativeMatMul(a, b, true);
}

function sumTo(shape: number[], x: Tensor): Tensor {
  const repeated = shape.flatMap((size, axis) => (size < x.shape[axis] ? [axis] : []));
  return repeated.length === 0 ? x : sum(x, repeated, true);
}
