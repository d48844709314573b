import { getBackend, matMul, mul, reshape, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { linear } from '../matmul.js';
import { channelsOf, positionsOf, rowsOf } from '../shapes.js';
import { globalAvgPool } from './global.js';

/**
 * The weighted sum of all positions: each image's features, pooled by its own attention map.
 *
 * @param x `[N, …positions, C]`
 * @param attention `[N, P]`, a weight a position in row-major order; a softmax over P makes the sum a mean
 * @returns `[N, C]`
 */
export function attentionPool(x: Tensor, attention: Tensor2D): Tensor2D {
  const positions = positionsOf(x);
  return differentiable(
    [x, attention],
    (x, attention) => {
      if (getBackend() === 'webgpu') return reshape(matMul(reshape(attention, [-1, 1, positions]), rowsOf(x)), [-1, channelsOf(x)]);
      // The product would copy all of x into XNNPACK's packed layout, for one row.
      return mul(globalAvgPool(mul(rowsOf(x), reshape(attention, [-1, positions, 1]))), positions);
    },
    (dy, [x, attention]) => [
      reshape(mul(reshape(attention, [-1, positions, 1]), reshape(dy, [-1, 1, channelsOf(x)])), x.shape),
      dotEach(rowsOf(x), dy as Tensor2D),
    ],
  ) as Tensor2D;
}

// [N, P, C] · [N, C] → [N, P]
function dotEach(x: Tensor3D, y: Tensor2D): Tensor {
  const [batch, positions, channels] = x.shape;
  if (batch === 1) return reshape(linear(x, reshape(y, [channels, 1])), [1, positions]);
  return reshape(matMul(x, reshape(y, [batch, channels, 1])), [batch, positions]);
}
