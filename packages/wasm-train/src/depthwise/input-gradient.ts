import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { geometryOf, type ConvAttrs } from '../geometry.js';
import { heapOf, startOf } from '../heap.js';
import type { Tap } from '../taps.js';
import { inputGradient } from '../transposed.js';

/** `DepthwiseConv2dNativeBackpropInput`: the gradient of a depthwise convolution's input. */
export function depthwiseBackpropInput(
  backend: BackendWasm,
  dy: TensorInfo,
  filter: TensorInfo,
  attrs: ConvAttrs & { inputShape: number[] },
): TensorInfo {
  const geometry = geometryOf('DepthwiseConv2dNativeBackpropInput', attrs.inputShape, filter.shape, dy.shape, attrs, true);
  return inputGradient(backend, dy, geometry, {
    kernelName: 'DepthwiseConv2dNative',
    multiplier: filter.shape[3],
    filter: (rows, columns) => tapsOfFilter(backend, filter, rows, columns),
  });
}

/** `[row tap, column tap, output channel, 1]` from `[kernel row, kernel column, input channel, multiplier]`. */
function tapsOfFilter(backend: BackendWasm, filter: TensorInfo, rows: Tap[], columns: Tap[]): TensorInfo {
  const [, width, inChannels, multiplier] = filter.shape as [number, number, number, number];
  const channels = inChannels * multiplier;
  const result = backend.makeOutput([rows.length, columns.length, channels, 1], 'float32');
  const heap = heapOf(backend, result);
  const source = startOf(backend, filter);
  let to = startOf(backend, result);
  for (const row of rows) {
    for (const column of columns) {
      const tap = source + (row.index * width + column.index) * channels;
      heap.copyWithin(to, tap, tap + channels);
      to += channels;
    }
  }
  return result;
}
