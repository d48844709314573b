import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import { ownKernel, type Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, isKnown, type WasmBackend } from './backend.js';

/** One number for each axis. */
interface Cut {
  readonly begin: number[];
  readonly size: number[];
}

/**
 * A slice of 32-bit floats, run by run within the backend's memory. The backend's own kernel first copies the whole tensor out of it.
 */
export const sliceInPlace = ownKernel<{ x: Tensor }, Cut>('SaccadeSlice', { wasm: { canRun: isKnown, run } });

function run(backend: WasmBackend, { x }: Inputs<{ x: Tensor }>, { begin, size }: Cut): TensorInfo {
  const out = backend.makeOutput(size, 'float32');
  // Read only now: the memory may have grown.
  const bytes = backend.wasm.HEAPU8;
  const strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)) * FLOAT_BYTES);
  // The last axis of which less than all is taken: what is taken of it lies in one run, with all that comes after.
  const cut = Math.max(
    size.findLastIndex((taken, axis) => taken !== x.shape[axis]),
    0,
  );
  const run = size[cut] * strides[cut];
  let to = addressOf(backend, out);
  const copy = (axis: number, from: number): void => {
    const start = from + begin[axis] * strides[axis];
    if (axis === cut) {
      bytes.copyWithin(to, start, start + run);
      to += run;
      return;
    }
    for (let i = 0; i < size[axis]; i++) copy(axis + 1, start + i * strides[axis]);
  };
  if (run > 0) copy(0, addressOf(backend, x));
  return out;
}
