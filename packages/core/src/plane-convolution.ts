import {
  conv2d,
  engine,
  getBackend,
  matMul,
  reshape,
  stack,
  tensor2d,
  tidy,
  transpose,
  unstack,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { convolve } from './convolution.js';
import { fusedPlanes } from './kernels/planes.js';
import type { InferenceNorm } from './normalisation.js';
import { sizeOf } from './shapes.js';
import { slice } from './slice.js';

// XNNPACK multiplies eight filters at a time, and reads what they see four values at a time.
const FILTERS = 8;
const STEP = 4;
// For fewer multiply-adds a plane than this, the calls cost more than idle lanes.
const BANDED_MACS = 50_000;

/** Which part of some planes a convolution sees, and how. */
export interface PlaneGeometry {
  /** The first of the rows that are seen, and the one behind the last: all else is as if it were not there. Default: all rows. */
  readonly rows?: readonly [begin: number, end: number];
  /** Whether the kernel's first axis lies along B. Default: false, along A. */
  readonly turned?: boolean;
}

/**
 * The convolution (cross-correlation) of a few planes with one filter, zero-padded to keep their size: what gates of positions are made of.
 *
 * @param planes `[planes, N, A, B]`, or a list of `[N, A, B]`
 * @param kernel `[k, k, planes, 1]`, k odd, its first axis along A
 * @returns `[N, A, B]`, A being the rows that are seen
 */
export function convolvePlanes(planes: Tensor4D | Tensor3D[], kernel: Tensor4D, geometry: PlaneGeometry = {}): Tensor3D {
  return normalisedPlanes(planes, kernel, null, geometry) ?? composed(planes, kernel, geometry);
}

/**
 * {@link convolvePlanes} and batch normalisation of what it gives, all in one pass, or undefined where there is none.
 *
 * @param norm all of its tensors `[1]`, or null
 */
export function normalisedPlanes(
  planes: Tensor4D | Tensor3D[],
  kernel: Tensor4D,
  norm: InferenceNorm | null,
  { rows, turned = false }: PlaneGeometry,
): Tensor3D | undefined {
  if (engine().isTapeOn() || !fusedPlanes.isAvailable()) return undefined;
  return tidy(() => {
    const all = (Array.isArray(planes) ? stack(planes) : planes) as Tensor4D;
    const [count, images, height, width] = all.shape;
    const [from, end] = rows ?? [0, height];
    const { epsilon = 0, ...tensors } = norm ?? {};
    const [kernelHeight, kernelWidth] = kernel.shape;
    const sizes = { planes: count, images, height, width, from, rows: end - from, kernelHeight, kernelWidth };
    return fusedPlanes({ planes: all, kernel, ...tensors }, { ...sizes, turned, epsilon, shape: [images, end - from, width] });
  }) as Tensor3D | undefined;
}

function composed(planes: Tensor4D | Tensor3D[], kernel: Tensor4D, { rows, turned = false }: PlaneGeometry): Tensor3D {
  return tidy(() => {
    const list = Array.isArray(planes) ? planes : listOf(planes);
    const seen = rows ? list.map((plane) => slice(plane, [0, rows[0], 0], [plane.shape[0], rows[1] - rows[0], plane.shape[2]])) : list;
    return convolveList(seen, turned ? transpose(kernel, [1, 0, 2, 3]) : kernel);
  });
}

// tf.unstack has no gradient where there is one.
function listOf(planes: Tensor4D): Tensor3D[] {
  const [count, ...shape] = planes.shape;
  return count === 1 ? [reshape(planes, shape)] : (unstack(planes) as Tensor3D[]);
}

function convolveList(planes: Tensor3D[], kernel: Tensor4D): Tensor3D {
  const [{ shape }] = planes;
  const macs = sizeOf(shape) * kernel.shape[0] ** 2;
  if (getBackend() !== 'wasm') return reshape(convolve(stack(planes, 3) as Tensor4D, kernel), shape);
  if (shape[2] % FILTERS === 0 && macs >= BANDED_MACS) return convolveByBands(planes, kernel);
  // Stacked on axis 1 and transposed, since on wasm a stack on the last axis is copied value by value.
  return reshape(convolve(transpose(stack(planes, 1) as Tensor4D, [0, 2, 3, 1]), kernel), shape);
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
