import { linear, transposeLast } from '@saccade/core';
import { dispose, randomNormal, type Rank, type Tensor2D } from '@tensorflow/tfjs-core';

/** Queries and keys of a tile, whose scores stay in a core's cache: what `linear` was fastest with on wasm, 32 or 64 channels a head. */
const TILE = { queries: 128, keys: 1024 };

/** The matrix products of attention, and nothing else of it. */
export interface Products {
  readonly run: () => void;
  /** Multiply-adds of a run. */
  readonly macs: number;
}

/**
 * The two products of attention among positions, q·kᵀ and weights·v, tile by tile in bounded memory: with no softmax between them, and nothing
 * summed over the tiles. It is what a kernel for attention can at best be as fast as, if it multiplies no faster than `linear` of core.
 *
 * @param positions keys, and their values
 * @param channels of each query, key and value
 * @param share of the positions that are queries
 */
export function attentionProducts(positions: number, channels: number, share: number): Products {
  const keys = Math.min(TILE.keys, positions);
  const tiles = Array.from({ length: Math.floor(positions / keys) }, () => ({
    kT: transposeLast(randomNormal<Rank.R2>([keys, channels])),
    v: randomNormal<Rank.R2>([keys, channels]),
  }));
  const q: Tensor2D = randomNormal([TILE.queries, channels]);
  const weights: Tensor2D = randomNormal([TILE.queries, keys]);
  const passes = Math.max(1, Math.round((share * positions) / TILE.queries));
  const run = () => {
    for (let pass = 0; pass < passes; pass++) for (const { kT, v } of tiles) dispose([linear(q, kT), linear(weights, v)]);
  };
  return { run, macs: 2 * passes * TILE.queries * tiles.length * keys * channels };
}
