import { attend, attentionRows, byTiles, linear, matMul, transposeLast, type TileFunction } from '@saccade/core';
import { add, gather, mul, relu, slice, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';

/** The pairwise function f of the paper with its normaliser C: how much each query i takes of each key j. None of these ever holds it for all pairs. */
export interface Pairwise {
  /**
   * y_i = Σ_j f(q_i, k_j) · v_j / C
   *
   * @param q `[N, queries, D]`
   * @param k `[N, keys, D]`
   * @param v `[N, keys, E]`
   * @returns `[N, queries, E]`
   */
  respond(q: Tensor3D, k: Tensor3D, v: Tensor3D): Tensor3D;
  /** f / C of the chosen queries: `[N, chosen, keys]`. */
  rows(q: Tensor3D, k: Tensor3D, chosen: readonly number[]): Tensor3D;
}

/** f = exp(q·k·scale), C = Σ f: a softmax over the keys. */
export function softmaxOfProducts(scale: number): Pairwise {
  return {
    respond: (q, k, v) => attend(q, k, v, { scale }),
    rows: (q, k, chosen) => attentionRows(q, k, chosen, { scale }),
  };
}

/** f = q·k, C = the number of keys. */
export const products: Pairwise = {
  respond: (q, k, v) => {
    const [queries, keys, channels] = [q.shape[1], k.shape[1], k.shape[2]];
    // A product of three matrices, in the order that takes less work: up to as many positions as channels, the pairs are fewer.
    if (2 * queries * keys <= (queries + keys) * channels) return matMul(matMul(q, mul(transposeLast(k), 1 / keys)), v);
    return matMul(q, mul(matMul(transposeLast(k), v), 1 / keys));
  },
  rows: (q, k, chosen) => matMul(gather(q, [...chosen], 1), mul(transposeLast(k), 1 / k.shape[1])),
};

/**
 * f = ReLU(w · [q, k]), C = the number of keys.
 *
 * @param weight w, `[2·D, 1]`
 */
export function concatenations(weight: Tensor2D): Pairwise {
  // w · [q, k] is w₁·q + w₂·k, and the ReLU lets the normaliser through.
  const halves = (q: Tensor3D, k: Tensor3D) => {
    const channels = q.shape[2];
    const half = (x: Tensor3D, from: number) => linear(x, mul(slice(weight, [from, 0], [channels, 1]), 1 / k.shape[1]));
    return [half(q, 0), transposeLast(half(k, channels))] as const; // [N, queries, 1], [N, 1, keys]
  };
  return {
    respond: (q, k, v) => {
      const [ofQueries, ofKeys] = halves(q, k);
      return byTiles([ofQueries], [ofKeys, v], k.shape[1], respondTile) as Tensor3D;
    },
    rows: (q, k, chosen) => {
      const [ofQueries, ofKeys] = halves(gather(q, [...chosen], 1), k);
      return relu(add(ofQueries, ofKeys));
    },
  };
}

const respondTile: TileFunction =
  ([ofKeys, v]) =>
  ([ofQueries]) =>
    matMul(relu(add<Tensor>(ofQueries, ofKeys)), v);
