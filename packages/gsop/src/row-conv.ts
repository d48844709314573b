import { type Weight, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { fused, reshape, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';

/** Values that each row of a covariance matrix is reduced to. */
export const VALUES_PER_ROW = 4;

/** A row-wise convolution: each row of a matrix becomes four values, by weights of its own. */
export interface RowConv {
  /** `[N, d, d]`, a row of the matrix on the last axis' index, to `[N, 4d]`, the values of a row side by side */
  (x: Tensor3D): Tensor2D;
  /** `[d, 1, d, 4]` */
  readonly kernel: Weight;
  /** `[4d]` */
  readonly bias: Weight;
  /** Multiply-adds for so many matrices. */
  macs(images: number): number;
}

/** Declares a {@link RowConv} part over `rows` rows, with the weights `kernel` and `bias`. */
export function rowConv(weights: WeightScope, rows: number): RowConv {
  const values = VALUES_PER_ROW * rows;
  const kernel = weights.add('kernel', [rows, 1, rows, VALUES_PER_ROW], parts.heNormal(values * rows), { layout: 'depthwise' });
  const bias = weights.add('bias', [values], parts.pytorchUniform(rows));
  const apply = (x: Tensor3D): Tensor2D => {
    // With the rows as channels, a depthwise convolution with a kernel as high as the matrix.
    const map: Tensor4D = reshape(x, [-1, rows, 1, rows]);
    const y = fused.depthwiseConv2d({ x: map, filter: kernel.read() as Tensor4D, strides: 1, pad: 'valid', bias: bias.read() });
    return reshape(y, [-1, values]);
  };
  return Object.assign(apply, { kernel, bias, macs: (images: number) => images * values * rows });
}
