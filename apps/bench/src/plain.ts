/**
 * What the baselines of several blocks share, in TensorFlow.js's own ops: what a good engineer writes who has not measured. A layer reads its
 * weights by their path once, and gives the function that a baseline calls.
 */
import {
  add,
  batchNorm,
  concat,
  conv2d,
  expandDims,
  matMul,
  reshape,
  slice,
  tile,
  transpose,
  zeros,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import type { WeightReader } from './entry.ts';

/** A step from one map to the next, `[N, H, W, C]`. */
export type PlainLayer = (x: Tensor4D) => Tensor4D;

/** What differs from one convolution to another, beside its kernel. */
export interface PlainConvOptions {
  /** Whether it has a bias. Default: where it stands alone, and not where a batch norm follows. */
  readonly useBias?: boolean;
  /** Default: 1. */
  readonly dilation?: number;
}

/** A fully connected layer with a bias, `[N, C]` to `[N, D]`, from `path/kernel` and `path/bias`. */
export function plainDense(weight: WeightReader, path: string): (x: Tensor2D) => Tensor2D {
  const [kernel, bias] = [weight<Tensor2D>(`${path}/kernel`), weight(`${path}/bias`)];
  return (x) => add(matMul(x, kernel), bias);
}

/** A convolution of stride 1 that keeps height and width, from `path/kernel`, `[kH, kW, C, D]` or for a 1×1 convolution `[C, D]`, and `path/bias`. */
export function plainConv(weight: WeightReader, path: string, { useBias = true, dilation = 1 }: PlainConvOptions = {}): PlainLayer {
  const kernel = weight(`${path}/kernel`);
  const filter: Tensor4D = reshape(kernel, [1, 1, ...kernel.shape].slice(-4) as Tensor4D['shape']);
  const convolve: PlainLayer = (x) => conv2d(x, filter, 1, 'same', 'NHWC', dilation);
  if (!useBias) return convolve;
  const bias = weight(`${path}/bias`);
  return (x) => add(convolve(x), bias);
}

/** Batch norm in inference, over the last axis of a tensor of any rank, from `path/gamma`, `path/beta`, `path/movingMean` and `path/movingVariance`. */
export function plainBatchNorm(weight: WeightReader, path: string): <R extends Rank>(x: Tensor<R>) => Tensor<R> {
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((name) => weight<Tensor1D>(`${path}/${name}`));
  return (x) => batchNorm(x, mean, variance, beta, gamma, 1e-5);
}

/** A convolution `path/conv`, without a bias unless asked for, and its batch norm `path/norm`. */
export function plainConvNorm(weight: WeightReader, path: string, { useBias = false, dilation = 1 }: PlainConvOptions = {}): PlainLayer {
  const [conv, norm] = [plainConv(weight, `${path}/conv`, { useBias, dilation }), plainBatchNorm(weight, `${path}/norm`)];
  return (x) => norm(conv(x));
}

/**
 * Logits of relative positions on a map (Bello et al. 2019, appendix): along each axis products with the embeddings of all distances, skewed
 * until each stands at its key, and tiled along the other axis.
 *
 * @param q queries, `[…, H·W, D]`, already scaled
 * @param heightTable `[2H − 1, D]`
 * @param widthTable `[2W − 1, D]`
 * @returns `[…, H·W, H·W]`
 */
export function relativeLogits(
  q: Tensor,
  [height, width]: readonly [height: number, width: number],
  heightTable: Tensor2D,
  widthTable: Tensor2D,
): Tensor {
  const [positions, channels] = q.shape.slice(-2);
  const maps = q.size / (positions * channels);
  const planes: Tensor4D = reshape(q, [maps, height, width, channels]);
  const ofWidth = skew(planes, widthTable); // [maps·H, W, W]
  const tiledWidth = tile(expandDims(ofWidth, 2), [1, 1, height, 1]); // over the keys' rows
  const ofHeight = reshape(skew(transpose(planes, [0, 2, 1, 3]), heightTable), [maps, width, height, height]);
  const tiledHeight = tile(reshape(transpose(ofHeight, [0, 2, 1, 3]), [maps * positions, height, 1]), [1, 1, width]); // over the keys' columns
  const shape = [...q.shape.slice(0, -1), positions];
  return add(reshape(tiledWidth, shape), reshape(tiledHeight, shape));
}

/** From queries `[B, A, L, D]` to their products with the embeddings of the distances to the keys of their line, `[B·A, L, L]`. */
function skew(q: Tensor4D, table: Tensor2D): Tensor3D {
  const [batch, others, length, channels] = q.shape;
  const products: Tensor3D = reshape(matMul(reshape(q, [batch * others * length, channels]), table, false, true), [-1, length, 2 * length - 1]);
  const lines = products.shape[0];
  const flat: Tensor2D = reshape(concat([products, zeros([lines, length, 1])], 2), [lines, 2 * length * length]);
  const shifted: Tensor3D = reshape(concat([flat, zeros([lines, length - 1])], 1), [lines, length + 1, 2 * length - 1]);
  return slice(shifted, [0, 0, length - 1], [-1, length, length]);
}
