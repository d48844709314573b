import {
  avgPool,
  cast,
  gather,
  getBackend,
  image,
  mul,
  oneHot,
  reshape,
  sum,
  tensor1d,
  transpose,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { differentiable, kernelGradients } from './gradient.js';
import { linear } from './matmul.js';

type Size = readonly [height: number, width: number];

/**
 * Resizes a map to the nearest of its pixels, as PyTorch's `nearest` does: out[i] = in[⌊i · in / out⌋] along both axes.
 *
 * @param x `[N, h, w, C]`
 * @param size of the result
 * @returns `[N, H, W, C]`
 */
export function resizeNearest(x: Tensor4D, [height, width]: Size): Tensor4D {
  const [down, across] = [height / x.shape[1], width / x.shape[2]];
  const whole = Number.isInteger(down) && Number.isInteger(across);
  const enlarge = (x: Tensor) => nearestNeighbours(x as Tensor4D, [height, width], whole);
  return differentiable([x], enlarge, (dy, [x]) => {
    // A product sums what each pixel was copied to; not all backends can scatter.
    if (!whole) return [sumOfCopies(sumOfCopies(dy, 2, x.shape[2]!), 1, x.shape[1]!)];
    return [mul(avgPool(dy as Tensor4D, [down, across], [down, across], 'valid'), down * across)];
  }) as Tensor4D;
}

/**
 * Resizes a map by bilinear interpolation between its pixels, corners aligned with corners, as PyTorch's `align_corners=True`.
 *
 * @param x `[N, h, w, C]`
 * @param size of the result
 * @returns `[N, H, W, C]`
 */
export function resizeBilinear(x: Tensor4D, [height, width]: Size): Tensor4D {
  return differentiable(
    [x],
    (x) => image.resizeBilinear(x as Tensor4D, [height, width], true),
    (dy, [x]) => {
      // One row or column was only copied. WebGPU's gradient divides by 0 there.
      const copied = [1, 2].filter((axis) => x.shape[axis] === 1);
      const slope = copied.length > 0 ? sum(dy, copied, true) : dy;
      // The cpu backend's gradient has height and width swapped in its shape, but not in its values.
      return [reshape(kernelGradients('ResizeBilinear', slope, [x], { alignCorners: true })['images'](), x.shape)];
    },
  ) as Tensor4D;
}

function nearestNeighbours(x: Tensor4D, [height, width]: Size, whole: boolean): Tensor4D {
  const [, rows, columns] = x.shape;
  // By whole factors, the pixels' centres, since a GPU may round i · in / out down where it is whole.
  if (whole) return image.resizeNearestNeighbor(x, [height, width], false, true);
  // On wasm a gather takes twenty times as long.
  const floats = getBackend() === 'wasm' && floatsSuffice(rows, height) && floatsSuffice(columns, width);
  if (floats) return image.resizeNearestNeighbor(x, [height, width]);
  return gather(gather(x, tensor1d(sourcesOf(rows, height), 'int32'), 1), tensor1d(sourcesOf(columns, width), 'int32'), 2);
}

/** Whether ⌊i · in / out⌋ is right in the wasm backend's arithmetic: it almost always is. */
function floatsSuffice(from: number, size: number): boolean {
  const step = Math.fround(from / size);
  return sourcesOf(from, size).every((source, i) => Math.floor(Math.fround(i * step)) === source);
}

function sourcesOf(from: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor((i * from) / size));
}

function sumOfCopies(dy: Tensor, axis: 1 | 2, from: number): Tensor {
  if (from === 1) return sum(dy, axis, true);
  const swapWithLast = axis === 1 ? [0, 3, 2, 1] : [0, 1, 3, 2];
  const copies = cast(oneHot(tensor1d(sourcesOf(from, dy.shape[axis]!), 'int32'), from), 'float32') as Tensor2D; // [size, from]
  return transpose(linear(transpose(dy, swapWithLast), copies), swapWithLast);
}
