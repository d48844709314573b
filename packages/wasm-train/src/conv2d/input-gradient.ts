import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { geometryOf, type ConvAttrs } from '../geometry.js';
import { heapOf, startOf } from '../heap.js';
import type { Tap } from '../taps.js';
import { inputGradient } from '../transposed.js';

/** `Conv2DBackpropInput`: the gradient of a convolution's input, and what `conv2dTranspose` computes. */
export function conv2DBackpropInput(
  backend: BackendWasm,
  dy: TensorInfo,
  filter: TensorInfo,
  attrs: ConvAttrs & { inputShape: number[] },
): TensorInfo {
  const geometry = geometryOf('Conv2DBackpropInput', attrs.inputShape, filter.shape, dy.shape, attrs, false);
  return inputGradient(backend, dy, geometry, {
    kernelName: 'Conv2D',
    multiplier: 1,
    filter: (rows, columns) => tapsTransposed(backend, filter, rows, columns),
  });
}

/** `[row tap, column tap, output channel, input channel]` from `[kernel row, kernel column, input channel, output channel]`. */
function tapsTransposed(backend: BackendWasm, filter: TensorInfo, rows: Tap[], columns: Tap[]): TensorInfo {
  const [, width, inChannels, outChannels] = filter.shape as [number, number, number, number];
  const result = backend.makeOutput([rows.length, columns.length, outChannels, inChannels], 'float32');
  const heap = heapOf(backend, result);
  const source = startOf(backend, filter);
  let to = startOf(backend, result);
  for (const row of rows) {
    for (const column of columns) {
      const tap = source + (row.index * width + column.index) * inChannels * outChannels;
      for (let o = 0; o < outChannels; o++) {
        for (let i = 0; i < inChannels; i++) heap[to++] = heap[tap + i * outChannels + o]!;
      }
    }
  }
  return result;
}
