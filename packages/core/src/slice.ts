import { getBackend, pad, slice as nativeSlice, type Tensor } from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { sliceInPlace } from './kernels/wasm/slice.js';

/**
 * tf.slice, which on wasm takes no longer the larger the tensor is that it is taken of.
 *
 * @param x of 32-bit floats
 * @param begin where to begin, on each axis
 * @param size how much to take, on each axis
 */
export function slice<T extends Tensor>(x: T, begin: number[], size: number[]): T {
  if (getBackend() !== 'wasm') return nativeSlice(x, begin, size);
  return differentiable(
    [x],
    (x) => sliceInPlace({ x }, { begin, size }) ?? nativeSlice(x, begin, size),
    (dy, [x]) => [
      pad(
        dy,
        x.shape.map((whole, axis): [number, number] => [begin[axis], whole - begin[axis] - size[axis]]),
      ),
    ],
  ) as T;
}
