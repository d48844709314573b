import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { heapOf, startOf, zeros } from '../heap.js';
import { forEachWindow, poolInfoOf, type PoolAttrs } from './window.js';

/** `MaxPoolGrad`: each output's gradient goes to the first input of its window that equals the output `y`. */
export function maxPoolGrad(backend: BackendWasm, x: TensorInfo, y: TensorInfo, dy: TensorInfo, attrs: PoolAttrs): TensorInfo {
  const info = poolInfoOf('MaxPoolGrad', x.shape, dy.shape, attrs);
  const { inChannels: channels, inHeight, inWidth } = info;
  const dx = zeros(backend, x.shape);
  const heap = heapOf(backend, dx);
  const inputs = startOf(backend, x);
  const toGradients = startOf(backend, dx) - inputs;
  let max = startOf(backend, y);
  let gradient = startOf(backend, dy);
  forEachWindow(info, (image, top, bottom, left, right) => {
    const corner = inputs + ((image * inHeight + top) * inWidth + left) * channels;
    const height = bottom - top;
    const width = right - left;
    for (let channel = 0; channel < channels; channel++, max++, gradient++) {
      const value = heap[max];
      search: for (let i = 0; i < height; i++) {
        let at = corner + i * inWidth * channels + channel;
        for (let j = 0; j < width; j++, at += channels) {
          if (heap[at] === value) {
            heap[at + toGradients] += heap[gradient];
            break search;
          }
        }
      }
    }
  });
  return dx;
}
