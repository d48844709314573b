import {
  add,
  depthwiseConv2d,
  fused,
  getBackend,
  matMul as nativeMatMul,
  mul,
  ones,
  reshape,
  tidy,
  transpose,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { fusedLinear } from './kernels/linear.js';
import { pairProducts } from './kernels/wasm/pair-products.js';
import { sumOverPositions } from './pooling/global.js';
import { channelsOf, sizeOf } from './shapes.js';

// The wasm backend has two matrix products: XNNPACK's, for one untransposed pair, and a scalar loop some ten times slower
// for all else. Below this many multiply-adds a pair, the calls cost more than the loop.
const LOOP_MACS = 2048;
// XNNPACK has depthwise kernels for 4 taps, among others. For fewer values than this they are not worth a call.
const DOT_TAPS = 4;
const DOT_VALUES = 2 ** 15;
// XNNPACK's product packs the second operand of each call, as ours does, and then takes half as long again. Of fewer rows it is as fast.
const DIRECT_ROWS = 32;

/**
 * Batched matrix product. On wasm, transposes are made explicit, a single pair is multiplied by a kernel of our own, and the pairs of a batch one by
 * one, so that XNNPACK does all of that work, too, and none is left to the backend's scalar loop, in the gradient neither.
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
  const onWasm = getBackend() === 'wasm';
  const dots = onWasm && units === 1 && inputs % DOT_TAPS === 0 && x.size >= DOT_VALUES;
  // Our own product takes about two thirds of the time of XNNPACK's, and less of a few rows.
  const direct = onWasm && !dots ? fusedLinear({ x, kernel, bias }, { epsilon: 0, activation: undefined }) : undefined;
  if (direct) return direct as T;
  return tidy(() => {
    const rows: Tensor2D = reshape(x, [sizeOf(x.shape) / inputs, channelsOf(x)]);
    const y = dots ? dotProducts(rows, kernel, bias) : product(rows, kernel, bias);
    return reshape(y, [...x.shape.slice(0, -1), units]) as T;
  });
}

/** Swaps the last two axes. */
export function transposeLast<T extends Tensor>(x: T): T {
  return transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);
}

function product(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  if (!bias) return matMul(x, kernel);
  return differentiable(
    [x, kernel, bias],
    (a, b, bias) => fused.matMul({ a, b, bias }),
    (dy, [x, kernel]) => [matMul(dy, transposeLast(kernel)), matMul(transposeLast(x), dy), sumOverPositions(dy)],
  ) as Tensor2D;
}

// A product with one column leaves seven of XNNPACK's eight lanes idle. A depthwise convolution whose kernel has one tap a quarter of the
// channels multiplies them all, and leaves the product a quarter of the work.
function dotProducts(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  const [rows, inputs] = x.shape;
  const lanes = inputs / DOT_TAPS;
  const y = differentiable(
    [x, kernel],
    (x, kernel) => {
      const taps: Tensor4D = reshape(kernel, [1, DOT_TAPS, lanes, 1]);
      const quads: Tensor4D = reshape(x, [1, 1, rows * DOT_TAPS, lanes]);
      const quarters = depthwiseConv2d(quads, taps, [1, DOT_TAPS], 'valid');
      return nativeMatMul(reshape(quarters, [rows, lanes]), ones([lanes, 1]));
    },
    (dy, [x, kernel]) => [mul(dy, reshape(kernel, [1, inputs])), reshape(sumOverPositions(mul(x, dy)), [inputs, 1])],
  ) as Tensor2D;
  return bias ? add(y, bias) : y;
}

function wasmMatMul(a: Tensor, b: Tensor): Tensor {
  const [batch, m, k] = a.rank === 2 ? [1, ...a.shape] : a.shape;
  const n = channelsOf(b);
  if (batch === 1 && m >= DIRECT_ROWS) {
    const direct = fusedLinear({ x: a, kernel: reshape(b, [k, n]), bias: undefined }, { epsilon: 0, activation: undefined });
    if (direct) return direct;
  }
  const pairs = batch > 1 && m * k * n >= LOOP_MACS ? pairProducts({ a, b }) : undefined;
  return pairs ?? nativeMatMul(a, b);
}
