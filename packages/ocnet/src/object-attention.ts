import { attend, attentionRows, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, pad, reshape, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { activatedConv } from './activated-conv.js';
import { bandsOf, cellAt, fromCells, toCells } from './cells.js';

/** The paper's object context pooling: attention by one transform for queries and keys, among all positions or within the cells of a grid. */
export interface ObjectAttention {
  /** `[N, H, W, C]` to `[N, H, W, C]` */
  (x: Tensor4D, training: boolean): Tensor4D;
  /** The attention of chosen queries, row-major indices: `[N, queries, H·W]`, 0 outside of the query's cell. */
  rows(x: Tensor4D, queries: readonly number[]): Tensor3D;
  /** Multiply-adds of the definition, in which queries and keys are transformed each on their own. */
  macs(inputShape: readonly number[]): number;
}

export interface ObjectAttentionOptions {
  /** Channels of queries and keys. */
  readonly keyChannels: number;
  readonly valueChannels: number;
  /** The grid's cells along height, and along width. Default: 1. */
  readonly grid?: number;
}

// The official code runs the transform once for the queries and again for the keys. So the moving statistics follow each batch twice:
// 0.9·(0.9·moving + 0.1·batch) + 0.1·batch.
const TWICE = 1 - (1 - 0.1) ** 2;

/** Declares an {@link ObjectAttention} part: the transform `key`, the projections `value` and `output`, which starts as 0. */
export function objectAttention(weights: WeightScope, channels: number, options: ObjectAttentionOptions): ObjectAttention {
  const { keyChannels, valueChannels, grid = 1 } = options;
  const zeros = initializers.zeros();
  const key = activatedConv(weights.at('key'), channels, keyChannels, { momentum: TWICE });
  const value = parts.dense(weights.at('value'), channels, valueChannels);
  const output = parts.dense(weights.at('output'), valueChannels, channels, { kernelInitializer: zeros, biasInitializer: zeros });
  const scale = 1 / Math.sqrt(keyChannels);

  const apply = (x: Tensor4D, training: boolean): Tensor4D => {
    const [k, v] = [key(x, training), value(x)]; // [N, H, W, keyChannels or valueChannels]
    const context = bandsOf(x.shape[1], grid).map((rows) => {
      const cells = bandsOf(x.shape[2], grid).map((columns) => {
        const keys = toCells(k, rows, columns); // [N·cells, positions, keyChannels]
        return fromCells(attend(keys, keys, toCells(v, rows, columns), { scale }), rows, columns);
      });
      return concat(cells, 2);
    });
    return output(concat(context, 1)); // [N, H, W, C]
  };

  const rows = (x: Tensor4D, queries: readonly number[]): Tensor3D => {
    const [batch, height, width] = x.shape;
    const k = key(x, false);
    if (grid === 1) {
      const keys: Tensor3D = reshape(k, [batch, height * width, keyChannels]);
      return attentionRows(keys, keys, queries, { scale });
    }
    const planes = queries.map((query) => {
      const [row, column] = [Math.floor(query / width), query % width];
      const [down, across] = [cellAt(row, height, grid), cellAt(column, width, grid)];
      const keys = toCells(k, down, across);
      const weights = attentionRows(keys, keys, [(row - down.start) * across.size + column - across.start], { scale });
      const [below, beyond] = [height - down.start - down.size, width - across.start - across.size];
      const plane = pad(reshape(weights, [batch, down.size, across.size]), [
        [0, 0],
        [down.start, below],
        [across.start, beyond],
      ]);
      return reshape<Tensor3D['rankType']>(plane, [batch, 1, height * width]);
    });
    return concat(planes, 1);
  };

  const macs = ([batch, height, width]: readonly number[]): number => {
    const positions = batch * height * width;
    const pairs = batch * squaresOf(height, grid) * squaresOf(width, grid);
    return 2 * key.macs(positions) + value.macs(positions) + output.macs(positions) + pairs * (keyChannels + valueChannels);
  };

  return Object.assign(apply, { rows, macs });
}

/** Σ size² over the cells along an axis. */
function squaresOf(length: number, grid: number): number {
  return bandsOf(length, grid).reduce((sum, { cells, size }) => sum + cells * size ** 2, 0);
}
