import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { geometryOf, type ConvAttrs } from '../geometry.js';
import { free, heapOf, sizeOf, startOf } from '../heap.js';
import type { Axis } from '../taps.js';

/** `DepthwiseConv2dNativeBackpropFilter`: `dW[k, c, m] = Σₚ x[p + k, c] · dy[p, c · multiplier + m]`. */
export function depthwiseBackpropFilter(
  backend: BackendWasm,
  x: TensorInfo,
  dy: TensorInfo,
  attrs: ConvAttrs & { filterShape: number[] },
): TensorInfo {
  const { filterShape } = attrs;
  const { batch, rows, columns, outChannels } = geometryOf('DepthwiseConv2dNativeBackpropFilter', x.shape, filterShape, dy.shape, attrs, true);
  const multiplier = filterShape[3];
  const input = multiplier > 1 ? channelsRepeated(backend, x, multiplier) : x;
  const result = backend.makeOutput(filterShape, 'float32');
  const heap = heapOf(backend, result);
  const inputs = startOf(backend, input);
  const gradients = startOf(backend, dy);
  const sums = new Float64Array(rows.kernel * columns.kernel * outChannels);
  for (let image = 0; image < batch; image++) {
    for (let out = 0; out < rows.output; out++) {
      for (let k = 0; k < rows.kernel; k++) {
        const y = out * rows.stride + k * rows.dilation - rows.pad;
        if (y < 0 || y >= rows.input) continue;
        for (let l = 0; l < columns.kernel; l++) {
          const { first, end } = outputsOf(columns, l);
          const left = first * columns.stride + l * columns.dilation - columns.pad;
          const x = inputs + ((image * rows.input + y) * columns.input + left) * outChannels;
          const dy = gradients + ((image * rows.output + out) * columns.output + first) * outChannels;
          addProducts(heap, x, columns.stride * outChannels, dy, outChannels, end - first, sums, (k * columns.kernel + l) * outChannels);
        }
      }
    }
  }
  heap.set(sums, startOf(backend, result));
  if (input !== x) free(backend, input);
  return result;
}

/** The outputs for which a tap reads the input and not its padding: from `first` up to, not including, `end`. */
function outputsOf({ input, output, stride, dilation, pad }: Axis, tap: number): { first: number; end: number } {
  const offset = tap * dilation - pad;
  return { first: Math.max(0, Math.ceil(-offset / stride)), end: Math.min(output, Math.ceil((input - offset) / stride)) };
}

/** Adds the products of `count` pixels, channel by channel, to the sums from `to` on. `x` and `dy` are where they begin on the heap. */
function addProducts(
  heap: Float32Array,
  x: number,
  xStep: number,
  dy: number,
  channels: number,
  count: number,
  sums: Float64Array,
  to: number,
): void {
  let pixel = 0;
  // Four pixels at once: one read and one write of the sum for all.
  for (; pixel + 4 <= count; pixel += 4, x += 4 * xStep, dy += 4 * channels) {
    for (let c = 0; c < channels; c++) {
      const a = x + c;
      const b = dy + c;
      sums[to + c] +=
        heap[a] * heap[b] +
        heap[a + xStep] * heap[b + channels] +
        heap[a + 2 * xStep] * heap[b + 2 * channels] +
        heap[a + 3 * xStep] * heap[b + 3 * channels];
    }
  }
  for (; pixel < count; pixel++, x += xStep, dy += channels) {
    for (let c = 0; c < channels; c++) sums[to + c] += heap[x + c] * heap[dy + c];
  }
}

/** x with each channel repeated, so that it has dy's channels. */
function channelsRepeated(backend: BackendWasm, x: TensorInfo, times: number): TensorInfo {
  const repeated = backend.makeOutput([...x.shape.slice(0, -1), x.shape.at(-1)! * times], 'float32');
  const heap = heapOf(backend, repeated);
  const from = startOf(backend, x);
  const size = sizeOf(x.shape);
  for (let i = 0, to = startOf(backend, repeated); i < size; i++) {
    const value = heap[from + i];
    for (const end = to + times; to < end; to++) heap[to] = value;
  }
  return repeated;
}
