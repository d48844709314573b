import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { heapOf, startOf, zeros } from '../heap.js';
import { forEachWindow, poolInfoOf, type PoolAttrs } from './window.js';

/** `AvgPoolGrad`: each output's gradient goes to all inputs of its window, in equal parts. */
export function avgPoolGrad(backend: BackendWasm, x: TensorInfo, dy: TensorInfo, attrs: PoolAttrs): TensorInfo {
  const info = poolInfoOf('AvgPoolGrad', x.shape, dy.shape, attrs);
  const dx = zeros(backend, x.shape);
  const heap = heapOf(backend, dx);
  const gradients = startOf(backend, dx);
  const channels = info.inChannels;
  const part = 1 / (info.filterHeight * info.filterWidth);
  let from = startOf(backend, dy);
  forEachWindow(info, (image, top, bottom, left, right) => {
    for (let y = top; y < bottom; y++) {
      let to = gradients + ((image * info.inHeight + y) * info.inWidth + left) * channels;
      for (let column = left; column < right; column++) {
        for (let channel = 0; channel < channels; channel++) heap[to++] += heap[from + channel] * part;
      }
    }
    from += channels;
  });
  return dx;
}
