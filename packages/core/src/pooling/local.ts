import { avgPool, mul, tensor4d, type Tensor4D } from '@tensorflow/tfjs-core';
import { convolvedSize } from '../convolution.js';
import { differentiable, kernelGradients } from '../gradient.js';

/** A window that slides over a map, the same along height and width. */
export interface Window {
  /** Side of the window. */
  readonly window: number;
  readonly stride: number;
  /** On each side, at most half the window. */
  readonly padding: number;
}

/**
 * The mean of each window over the pixels that it holds: padding counts for nothing, as with PyTorch's `count_include_pad=False`.
 *
 * @param x `[N, H, W, C]`
 * @returns `[N, ⌊(H + 2·padding − window)/stride⌋ + 1, …, C]`
 */
export function localAvgPool(x: Tensor4D, { window, stride, padding }: Window): Tensor4D {
  return differentiable(
    [x],
    (x) => avgPool(x as Tensor4D, window, stride, padding),
    (dy, [x]) => {
      // TF.js divides the gradient by the window's area, at the border too.
      const [rows, columns] = x.shape.slice(1, 3).map((size) => pixelsPerWindow(size, { window, stride, padding }));
      const shares = rows.flatMap((row) => columns.map((column) => (window * window) / (row * column)));
      const share = tensor4d(shares, [1, rows.length, columns.length, 1]);
      return [kernelGradients('AvgPool', mul(dy, share), [x], { filterSize: window, strides: stride, pad: padding })['x']()];
    },
  ) as Tensor4D;
}

function pixelsPerWindow(size: number, { window, stride, padding }: Window): number[] {
  return Array.from({ length: convolvedSize(size, window, { stride, padding }) }, (_, i) => {
    const start = i * stride - padding;
    return Math.min(start + window, size) - Math.max(start, 0);
  });
}
