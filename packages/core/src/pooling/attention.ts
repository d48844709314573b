import {
  getBackend,
  matMul as nativeMatMul,
  mul,
  reshape,
  stack,
  sub,
  sum,
  softmax,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
} from '@tensorflow/tfjs-core';
import { BlockError, showShape } from '../errors.js';
import { differentiable } from '../gradient.js';
import { fusedChannelPools } from '../kernels/channel-pools.js';
import { fusedWeightedPool } from '../kernels/pool.js';
import { fusedSoftmaxPool } from '../kernels/softmax-pool.js';
import { linear, matMul } from '../matmul.js';
import { channelsOf, positionsOf, rowsOf, spread } from '../shapes.js';
import { globalAvgPool } from './global.js';

/**
 * The weighted sum of all positions: each image's features, pooled by its own attention map.
 *
 * @param x `[N, …positions, C]`
 * @param attention `[N, P]`, a weight a position in row-major order; a softmax over P makes the sum a mean
 * @returns `[N, C]`
 * @throws {@link BlockError} where there is not a weight for each position of each image
 */
export function attentionPool(x: Tensor, attention: Tensor2D): Tensor2D {
  expectShape('attentionPool: attention', attention, x, [x.shape[0], positionsOf(x)]);
  return differentiable(
    [x, attention],
    (x, attention) => weightedSum(x, attention as Tensor2D),
    (dy, [x, attention]) => [
      reshape(mul(reshape(attention, [-1, positionsOf(x), 1]), reshape(dy, [-1, 1, channelsOf(x)])), x.shape),
      dotEach(rowsOf(x), dy as Tensor2D),
    ],
  ) as Tensor2D;
}

/**
 * The mean of all positions, weighted by a softmax over them of what a linear map makes of each, Σ softmax(x·kernel + bias)·x: each image's features,
 * pooled by an attention map of their own, in one pass (Cao et al. 2019, equation 2).
 *
 * @param x `[N, …positions, C]`
 * @param kernel `[C, 1]`
 * @param bias `[1]`, or none: the same everywhere, it changes nothing
 * @returns `[N, C]`
 * @throws {@link BlockError} where the kernel is not of x's channels
 */
export function softmaxPool(x: Tensor, kernel: Tensor2D, bias?: Tensor1D): Tensor2D {
  expectShape('softmaxPool: a kernel', kernel, x, [channelsOf(x), 1]);
  const attentionOf = (x: Tensor, kernel: Tensor) => softmax(reshape(linear(x, kernel as Tensor2D), [x.shape[0], positionsOf(x)])) as Tensor2D;
  return differentiable(
    bias ? [x, kernel, bias] : [x, kernel],
    (x, kernel) => fusedSoftmaxPool({ x, kernel: kernel as Tensor2D }) ?? weightedSum(x, attentionOf(x, kernel)),
    (dy, [x, kernel, bias], y) => {
      const attention = attentionOf(x, kernel);
      const rows = rowsOf(x);
      const slope = sub(dotEach(rows, dy as Tensor2D), sum(mul(dy, y), 1, true)); // [N, P]
      const dLogits: Tensor2D = mul(attention, slope);
      const [images, positions, channels] = rows.shape;
      // Through the sum and through the logits, attention·dy + dLogits·kernel, as one product.
      const factors = stack([attention, dLogits], 2) as Tensor3D;
      const values = stack([dy, spread(reshape(kernel, [1, channels]), dy)], 1) as Tensor3D;
      const dx = reshape(matMul(factors, values), x.shape);
      const dKernel = weightedSum(reshape(rows, [1, images * positions, channels]), reshape(dLogits, [1, images * positions]));
      return [dx, reshape(dKernel, [channels, 1]), ...(bias ? [reshape(sum(dLogits), [1])] : [])];
    },
  ) as Tensor2D;
}

// [N, …positions, C], [N, P] → [N, C]
function weightedSum(x: Tensor, weights: Tensor2D): Tensor2D {
  const [images, rows, columns] = [x.shape[0], positionsOf(x), channelsOf(x)];
  const fused = fusedWeightedPool({ x, weights }, { images, rows, columns, shape: [images, columns] });
  if (fused) return fused as Tensor2D;
  if (getBackend() === 'webgpu') return reshape(nativeMatMul(reshape(weights, [images, 1, rows]), rowsOf(x)), [images, columns]);
  // The product would copy all of x into XNNPACK's packed layout, for one row.
  return mul(globalAvgPool(mul(rowsOf(x), reshape(weights, [images, rows, 1]))), rows);
}

// [N, P, C] · [N, C] → [N, P]
function dotEach(x: Tensor3D, y: Tensor2D): Tensor {
  const [batch, positions, channels] = x.shape;
  const means = fusedChannelPools({ x, gate: y }, { kinds: ['avg'], shape: [batch, positions] });
  if (means) return mul(means, channels);
  if (batch === 1) return reshape(linear(x, reshape(y, [channels, 1])), [1, positions]);
  return reshape(nativeMatMul(x, reshape(y, [batch, channels, 1])), [batch, positions]);
}

function expectShape(what: string, { shape }: Tensor, x: Tensor, expected: number[]): void {
  if (shape.join() === expected.join()) return;
  throw new BlockError(`${what} of shape ${showShape(shape)} does not fit a map of shape ${showShape(x.shape)}. Give ${showShape(expected)}.`);
}
