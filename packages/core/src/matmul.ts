import { fused, getBackend, matMul as nativeMatMul, reshape, transpose, type Tensor, type Tensor1D, type Tensor2D } from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { pairProducts } from './kernels/wasm/pair-products.js';
import { sumOverPositions } from './pooling/global.js';
import { channelsOf, sizeOf } from './shapes.js';

// The wasm backend has two matrix products: XNNPACK's, for one untransposed pair, and a scalar loop some ten times slower
// for all else. Below this many multiply-adds a pair, the calls cost more than the loop.
const LOOP_MACS = 2048;

/**
 * Batched matrix product. On wasm, transposes are made explicit and pairs are multiplied one by one, so that XNNPACK does all the
 * work, that of the gradient too.
 *
 * @param a `[M, K]` or `[B, M, K]`
 * @param b `[K, N]` or `[B, K, N]`, of the rank and batch of `a`
 * @returns `[M, N]` or `[B, M, N]`
 */
export function matMul<T extends Tensor>(a: T, b: T): T {
  if (getBackend() !== 'wasm') return nativeMatMul(a, b);
  return differentiable([a, b], wasmMatMul, (dy, [a, b]) => [matMul(dy, transposeLast(b)), matMul(transposeLast(a), dy)]) as T;
}

/**
 * A linear map of the channels, at every position alike: a fully connected layer, or a convolution with a kernel of size 1.
 *
 * @param x `[…, inputs]`
 * @param kernel `[inputs, units]`
 * @param bias `[units]`, or none
 * @returns `[…, units]`
 */
export function linear<T extends Tensor>(x: T, kernel: Tensor2D, bias?: Tensor1D): T {
  const [inputs, units] = kernel.shape;
  const rows = reshape(x, [sizeOf(x.shape) / inputs, channelsOf(x)]) as Tensor2D;
  const y = bias ? biasedProduct(rows, kernel, bias) : matMul(rows, kernel);
  return reshape(y, [...x.shape.slice(0, -1), units]) as T;
}

/** Swaps the last two axes. */
export function transposeLast<T extends Tensor>(x: T): T {
  return transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);
}

function biasedProduct(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D): Tensor2D {
  return differentiable(
    [x, kernel, bias],
    (a, b, bias) => fused.matMul({ a, b, bias }),
    (dy, [x, kernel]) => [matMul(dy, transposeLast(kernel)), matMul(transposeLast(x), dy), sumOverPositions(dy)],
  ) as Tensor2D;
}

function wasmMatMul(a: Tensor, b: Tensor): Tensor {
  const [batch, m, k] = a.rank === 2 ? [1, ...a.shape] : a.shape;
  const n = channelsOf(b);
  return batch === 1 || m * k * n < LOOP_MACS ? nativeMatMul(a, b) : pairProducts(a, b);
}
