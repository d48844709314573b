import { add, concat, gather, mul, reshape, softmax, sub, tensor2d, tidy, transpose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { fusedCrissCross, fusedCrissCrossGradients, type CrissCrossInputs } from '../kernels/criss-cross.js';
import { matMul, transposeLast } from '../matmul.js';
import { channelAvgPool } from '../pooling/channel.js';
import { channelsOf } from '../shapes.js';
import { slice } from '../slice.js';

// Added to the score of a position with itself in its column, so that it counts once, in its row. Finite: GPUs may assume that no number is infinite.
const COUNTED_IN_ROW = -1e30;

/**
 * Criss-cross attention (Huang et al. 2019): each position attends to the H + W − 1 positions of its column and its row, by a softmax over their
 * unscaled dot products. Holds the scores of no more than a line, on wasm and on WebGPU where D and E are multiples of 4, and otherwise N·(H + W) of
 * them; the gradient computes them again, so that training keeps none.
 *
 * @param q queries `[B, H, W, D]`
 * @param k keys `[B, H, W, D]`
 * @param v values `[B, H, W, E]`
 * @returns `[B, H, W, E]`
 */
export function crissCross(q: Tensor4D, k: Tensor4D, v: Tensor4D): Tensor4D {
  return differentiable(
    [q, k, v],
    (q, k, v) => fusedCrissCross({ q, k, v } as CrissCrossInputs) ?? composed(q, k, v),
    (dy, [q, k, v], y) => tidy(() => fusedGradients(dy, [q, k, v], y) ?? composedGradients(dy, [q, k, v], y)),
  ) as Tensor4D;
}

/**
 * The criss-cross attention of chosen queries, without that of the others.
 *
 * @param q `[B, H, W, D]`
 * @param k `[B, H, W, D]`
 * @param queries positions, as row-major indices
 * @returns `[B, queries, H + W]`: the weights of the query's column, 0 at the query itself, and then those of its row
 */
export function crissCrossRows(q: Tensor4D, k: Tensor4D, queries: readonly number[]): Tensor3D {
  const [batch, height, width, depth] = q.shape;
  const path = queries.flatMap((query) => [
    ...Array.from({ length: height }, (_, y) => y * width + (query % width)),
    ...Array.from({ length: width }, (_, x) => query - (query % width) + x),
  ]);
  const own = queries.map((query) => Math.floor(query / width));
  const pick = (x: Tensor4D, positions: readonly number[]) => gather(reshape(x, [batch, height * width, depth]), [...positions], 1);
  return tidy(() => {
    const keys = reshape(pick(k, path), [-1, height + width, depth]);
    const scores = reshape(matMul(keys, reshape(pick(q, queries), [-1, depth, 1])), [batch, queries.length, height + width]);
    return softmax<Tensor3D>(add(scores, mask(own, height + width)));
  });
}

function composed(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [inColumn, inRow] = weigh(q, k);
  return add(
    tidy(() => fromColumns(matMul(inColumn, columns(v)), v.shape)),
    reshape(matMul(inRow, rows(v)), v.shape),
  );
}

function fusedGradients(dy: Tensor, inputs: Tensor[], y: Tensor): Tensor[] | undefined {
  const [q, k, v] = inputs as Tensor4D[];
  const all = fusedCrissCrossGradients({ q, k, v, y, dy });
  if (!all) return undefined;
  let from = 0;
  return inputs.map((x) => {
    const begin = from;
    from += x.size;
    return reshape(slice(all, [begin], [x.size]), x.shape);
  });
}

function composedGradients(dy: Tensor, [q, k, v]: Tensor[], y: Tensor): Tensor[] {
  const [inColumn, inRow] = weigh(q, k);
  // Over its keys, each query's weights · their gradients sum up to this.
  const common = reshape(mul(channelAvgPool(mul(dy, y)), channelsOf(v)), [...v.shape.slice(0, -1), 1]);
  const inputs = [q, k, v, dy, common] as const;
  const alongColumns = tidy(() => lineGradients(inColumn, ...each(inputs, columns)).map((dx, i) => fromColumns(dx, inputs[i].shape)));
  const alongRows = tidy(() => lineGradients(inRow, ...each(inputs, rows)));
  return alongColumns.map((dx, i) => add(dx, reshape(alongRows[i], dx.shape)));
}

type Five = readonly [Tensor, Tensor, Tensor, Tensor, Tensor];

function each(tensors: Five, lines: (x: Tensor) => Tensor): Five {
  return tensors.map(lines) as unknown as Five;
}

/** The attention, as a batch of columns `[B·W, H, H]` and a batch of rows `[B·H, W, W]`. */
function weigh(q: Tensor, k: Tensor): [Tensor, Tensor] {
  const [batch, height, width] = q.shape;
  const diagonal = Array.from({ length: height }, (_, y) => y);
  return tidy(() => {
    const weights = tidy(() => {
      const ofColumns = tidy(() => add(matMul(columns(q), transposeLast(columns(k))), mask(diagonal, height)));
      const ofRows = matMul(rows(q), transposeLast(rows(k)));
      return softmax(concat([fromColumns(ofColumns, [batch, height, width, height]), reshape(ofRows, [batch, height, width, width])], 3));
    });
    const inColumn = columns(slice(weights, [0, 0, 0, 0], [batch, height, width, height]));
    const inRow = rows(slice(weights, [0, 0, 0, height], [batch, height, width, width]));
    return [inColumn, inRow];
  });
}

/** The gradients of the queries, keys and values of lines, all `[lines, length, …]`. */
function lineGradients(weights: Tensor, q: Tensor, k: Tensor, v: Tensor, dy: Tensor, common: Tensor): [Tensor, Tensor, Tensor] {
  const dScores = mul(weights, sub(matMul(dy, transposeLast(v)), common));
  return [matMul(dScores, k), matMul(transposeLast(dScores), q), matMul(transposeLast(weights), dy)];
}

/** What is added to the scores of queries: `[queries, columns]`, {@link COUNTED_IN_ROW} at the column that is each query's own. */
function mask(own: readonly number[], columns: number): Tensor2D {
  const values = new Float32Array(own.length * columns);
  for (const [query, column] of own.entries()) values[query * columns + column] = COUNTED_IN_ROW;
  return tensor2d(values, [own.length, columns]);
}

/** `[B, H, W, C]` to `[B·W, H, C]` */
function columns(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [batch * width, height, channels]);
}

/** `[B, H, W, C]` to `[B·H, W, C]` */
function rows(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape;
  return reshape(x, [batch * height, width, channels]);
}

/** `[B·W, H, C]` to the `shape` `[B, H, W, C]` */
function fromColumns(x: Tensor, [batch, height, width, channels]: number[]): Tensor {
  return transpose(reshape(x, [batch, width, height, channels]), [0, 2, 1, 3]);
}
