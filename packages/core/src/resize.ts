import {
  avgPool,
  cast,
  clone,
  gather,
  getBackend,
  image,
  mul,
  oneHot,
  reshape,
  sum,
  tensor1d,
  tidy,
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
  if (x.shape[1] === height && x.shape[2] === width) return clone(x);
  return tidy(() => {
    if (height % x.shape[1] === 0 && width % x.shape[2] === 0) return enlargeNearest(x, [height, width]);
    const floats = getBackend() === 'wasm' && floatsSuffice(x.shape[1], height) && floatsSuffice(x.shape[2], width);
    return floats ? nearestByFloats(x, [height, width]) : nearestAlong(nearestAlong(x, 1, height), 2, width);
  });
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

// By whole factors.
function enlargeNearest(x: Tensor4D, [height, width]: Size): Tensor4D {
  const factors: [number, number] = [height / x.shape[1], width / x.shape[2]];
  return differentiable(
    [x],
    // The pixels' centres, since a GPU may round i · in / out down where it is whole.
    (x) => image.resizeNearestNeighbor(x as Tensor4D, [height, width], false, true),
    (dy) => [mul(avgPool(dy as Tensor4D, factors, factors, 'valid'), factors[0] * factors[1])],
  ) as Tensor4D;
}

function nearestAlong(x: Tensor4D, axis: 1 | 2, size: number): Tensor4D {
  return differentiable(
    [x],
    (x) => gather(x, tensor1d(sourcesOf(x.shape[axis]!, size), 'int32'), axis),
    (dy, [x]) => [sumOfCopies(dy, axis, x.shape[axis]!)],
  ) as Tensor4D;
}

// On wasm a gather takes twenty times as long.
function nearestByFloats(x: Tensor4D, size: Size): Tensor4D {
  return differentiable(
    [x],
    (x) => image.resizeNearestNeighbor(x as Tensor4D, [...size]),
    (dy, [x]) => [sumOfCopies(sumOfCopies(dy, 2, x.shape[2]!), 1, x.shape[1]!)],
  ) as Tensor4D;
}

/** Whether ⌊i · in / out⌋ is right in the wasm backend's arithmetic: it almost always is. */
function floatsSuffice(from: number, size: number): boolean {
  const step = Math.fround(from / size);
  return sourcesOf(from, size).every((source, i) => Math.floor(Math.fround(i * step)) === source);
}

function sourcesOf(from: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor((i * from) / size));
}

// A product sums what each pixel was copied to; not all backends can scatter.
function sumOfCopies(dy: Tensor, axis: 1 | 2, from: number): Tensor {
  if (from === 1) return sum(dy, axis, true);
  const swapWithLast = axis === 1 ? [0, 3, 2, 1] : [0, 1, 3, 2];
  const copies = cast(oneHot(tensor1d(sourcesOf(from, dy.shape[axis]!), 'int32'), from), 'float32') as Tensor2D; // [size, from]
  return transpose(linear(transpose(dy, swapWithLast), copies), swapWithLast);
}
