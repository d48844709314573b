import { linear, transposeLast } from '@saccade/core';
import { tensor2d, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';

/**
 * Resizes maps to a size that need not divide theirs, smaller or larger, by averaging: PyTorch's `adaptive_avg_pool2d`. Pixel i of n is the
 * mean of the pixels ⌊i·h/n⌋ to ⌈(i + 1)·h/n⌉ of h, the last one not included.
 *
 * @param x `[B, h, w]`
 * @returns `[B, H, W]`
 */
export function adaptiveAvgPool(x: Tensor3D, [height, width]: readonly [height: number, width: number]): Tensor3D {
  const [, from, across] = x.shape;
  // The windows are rectangles: first along the rows, then along the columns.
  const columns = linear(x, windows(across, width)); // [B, h, W]
  return transposeLast(linear(transposeLast(columns), windows(from, height)));
}

// [size, count]: the share of each pixel in each window.
function windows(size: number, count: number): Tensor2D {
  const spans = Array.from({ length: count }, (_, i) => [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)]);
  const shares = Array.from({ length: size }, (_, pixel) => spans.map(([start, end]) => (pixel >= start && pixel < end ? 1 / (end - start) : 0)));
  return tensor2d(shares, [size, count]);
}
