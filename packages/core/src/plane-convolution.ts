import {
  conv2d,
  getBackend,
  matMul,
  reshape,
  stack,
  tensor2d,
  tidy,
  transpose,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { convolve } from './convolution.js';
import { sizeOf } from './shapes.js';

// XNNPACK multiplies eight filters at a time, and reads what they see four values at a time.
const FILTERS = 8;
const STEP = 4;
// For fewer multiply-adds a plane than this, the calls cost more than idle lanes.
const BANDED_MACS = 50_000;

/**
 * The convolution (cross-correlation) of a few planes with one filter, zero-padded to keep their size: what gates of positions are made of.
 *
 * @param planes each `[N, A, B]`
 * @param kernel `[k, k, planes, 1]`, k odd, its first axis along A
 * @returns `[N, A, B]`
 */
export function convolvePlanes(planes: Tensor3D[], kernel: Tensor4D): Tensor3D {
  const [{ shape }] = planes;
  const macs = sizeOf(shape) * kernel.shape[0] ** 2;
  return tidy(() => {
    if (getBackend() !== 'wasm') return reshape(convolve(stack(planes, 3) as Tensor4D, kernel), shape);
    if (shape[2] % FILTERS === 0 && macs >= BANDED_MACS) return convolveByBands(planes, kernel);
    // Stacked on axis 1 and transposed, since on wasm a stack on the last axis is copied value by value.
    return reshape(convolve(transpose(stack(planes, 1) as Tensor4D, [0, 2, 3, 1]), kernel), shape);
  });
}

// One filter leaves seven of XNNPACK's eight lanes idle. Eight neighbouring outputs see nearly the same inputs: as eight filters, each a
// shifted copy of the kernel, they fill the lanes.
function convolveByBands(planes: Tensor3D[], kernel: Tensor4D): Tensor3D {
  const [batch, rows, columns] = planes[0].shape;
  const side = kernel.shape[0];
  const reach = Math.ceil((side - 1) / 2 / STEP); // on each side, in steps
  const taps = 2 * reach + FILTERS / STEP;
  // Row by row the planes in turn, as the rows of one map, and as many rows of the kernel.
  const map: Tensor4D = reshape(stack(planes, 2), [batch, rows * planes.length, columns / STEP, STEP]);
  const lines = reshape(transpose(kernel, [0, 2, 1, 3]), [side * planes.length, side]);
  const bands: Tensor4D = reshape(matMul(lines, shifts(side, reach * STEP, taps * STEP)), [lines.shape[0], taps, STEP, FILTERS]);
  const margin = (planes.length * (side - 1)) / 2;
  const strides: [number, number] = [planes.length, FILTERS / STEP];
  const y = conv2d(map, bands, strides, [
    [0, 0],
    [margin, margin],
    [reach, reach],
    [0, 0],
  ]);
  return reshape(y, [batch, rows, columns]);
}

// [side, width·FILTERS]: takes the taps of one line to each filter's, in a line of `width`, the first of them centred at `centre`.
function shifts(side: number, centre: number, width: number): Tensor {
  const values = new Float32Array(side * width * FILTERS);
  for (let filter = 0; filter < FILTERS; filter++) {
    for (let tap = 0; tap < side; tap++) {
      const place = centre + filter + tap - (side - 1) / 2;
      values[(tap * width + place) * FILTERS + filter] = 1;
    }
  }
  return tensor2d(values, [side, width * FILTERS]);
}
