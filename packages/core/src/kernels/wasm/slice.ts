import type { Tensor } from '@tensorflow/tfjs-core';
import { addressOf, FLOAT_BYTES, wasmKernel } from './backend.js';

/**
 * tf.slice on wasm, run by run within the backend's memory. The backend's own kernel first copies the whole tensor out of it.
 *
 * @param x of 32-bit floats
 * @param begin and `size`, one for each axis
 */
export function sliceInPlace(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
  return kernel({ x }, { begin, size });
}

interface Attributes {
  readonly begin: readonly number[];
  readonly size: readonly number[];
}

const kernel = wasmKernel<{ x: Tensor }, Attributes>('SaccadeSlice', ({ x }, backend, { begin, size }) => {
  const out = backend.makeOutput([...size], 'float32');
  // Read only now: the memory may have grown.
  const bytes = backend.wasm.HEAPU8;
  const strides = stridesOf(x.shape);
  // The last axis of which less than all is taken: what is taken of it lies in one run, with all that comes after.
  const cut = Math.max(
    size.findLastIndex((taken, axis) => taken !== x.shape[axis]),
    0,
  );
  const run = size[cut] * strides[cut] * FLOAT_BYTES;
  let to = addressOf(backend, out);
  const copy = (axis: number, from: number): void => {
    const start = from + begin[axis] * strides[axis] * FLOAT_BYTES;
    if (axis === cut) {
      bytes.copyWithin(to, start, start + run);
      to += run;
      return;
    }
    for (let i = 0; i < size[axis]; i++) copy(axis + 1, start + i * strides[axis] * FLOAT_BYTES);
  };
  if (run > 0) copy(0, addressOf(backend, x));
  return out;
});

function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}
