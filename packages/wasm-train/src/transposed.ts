import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Geometry } from './geometry.js';
import { free, heapOf, run, sizeOf, startOf, zeros } from './heap.js';
import { elementsOf, tapsOf, type Axis, type Tap } from './taps.js';

/** What differs between the input's gradient of an ordinary and of a depthwise convolution. */
export interface Transposed {
  /** The forward kernel that does the work. */
  readonly kernelName: 'Conv2D' | 'DepthwiseConv2dNative';
  /** The filter of the forward kernel from the taps that act, last one first. */
  filter(rows: Tap[], columns: Tap[]): TensorInfo;
  /** Channels of the forward kernel's result that sum up to one of the input's. */
  readonly multiplier: number;
}

/**
 * The gradient of a convolution's input. Each phase of a strided input is an ordinary convolution of dy with the taps that reach that phase,
 * turned around: no zeros are multiplied, and the backend's fast forward kernel does the work.
 */
export function inputGradient(backend: BackendWasm, dy: TensorInfo, geometry: Geometry, transposed: Transposed): TensorInfo {
  const { rows, columns, inShape } = geometry;
  if (sizeOf(inShape) === 0 || sizeOf(dy.shape) === 0) return zeros(backend, inShape);
  const strided = rows.stride > 1 || columns.stride > 1;
  if (!strided && transposed.multiplier === 1) {
    return phaseGradient(backend, dy, phaseOf(rows, 0), phaseOf(columns, 0), transposed) ?? zeros(backend, inShape);
  }
  const dx = zeros(backend, inShape);
  for (let row = 0; row < rows.stride; row++) {
    for (let column = 0; column < columns.stride; column++) {
      const height = phaseOf(rows, row);
      const width = phaseOf(columns, column);
      const part = phaseGradient(backend, dy, height, width, transposed);
      if (!part) continue;
      interleave(backend, part, dx, geometry, height, width, transposed.multiplier);
      free(backend, part);
    }
  }
  return dx;
}

/** One phase of an axis, as an ordinary convolution of dy. */
interface Phase {
  /** The first input element of the phase, and how many there are. */
  readonly first: number;
  readonly count: number;
  /** The taps that reach the phase, last one first, and how far apart they are. */
  readonly taps: Tap[];
  readonly dilation: number;
  /** Zeros to put before and after dy, or if negative, elements to cut off. */
  readonly before: number;
  readonly after: number;
}

function phaseOf(axis: Axis, phase: number): Phase {
  const taps = tapsOf(axis)
    .filter((tap) => tap.phase === phase)
    .toReversed();
  const { first, end } = elementsOf(axis, phase);
  const count = end - first;
  const dilation = taps.length > 1 ? taps[0].shift - taps[1].shift : 1;
  const before = (taps[0]?.shift ?? 0) - first;
  const after = count + (taps.length - 1) * dilation - axis.output - before;
  return { first: first * axis.stride + phase - axis.pad, count, taps, dilation, before, after };
}

/** `[batch, rows.count, columns.count, channels]`, or nothing where no output reads this phase. */
function phaseGradient(backend: BackendWasm, dy: TensorInfo, rows: Phase, columns: Phase, transposed: Transposed): TensorInfo | undefined {
  const [batch, height, width, channels] = dy.shape as [number, number, number, number];
  const keptRows = height + Math.min(0, rows.before) + Math.min(0, rows.after);
  const keptColumns = width + Math.min(0, columns.before) + Math.min(0, columns.after);
  const reached = rows.count > 0 && columns.count > 0 && rows.taps.length > 0 && columns.taps.length > 0 && keptRows > 0 && keptColumns > 0;
  if (!reached) return undefined;
  const whole = keptRows === height && keptColumns === width;
  const begin = [0, Math.max(0, -rows.before), Math.max(0, -columns.before), 0];
  const kept = whole ? dy : run('Slice', backend, { x: dy }, { begin, size: [batch, keptRows, keptColumns, channels] });
  const filter = transposed.filter(rows.taps, columns.taps);
  const pad = [
    [0, 0],
    [Math.max(0, rows.before), Math.max(0, rows.after)],
    [Math.max(0, columns.before), Math.max(0, columns.after)],
    [0, 0],
  ];
  const attrs = { strides: 1, pad, dataFormat: 'NHWC', dilations: [rows.dilation, columns.dilation] };
  const part = run(transposed.kernelName, backend, { x: kept, filter }, attrs);
  free(backend, filter, ...(whole ? [] : [kept]));
  return part;
}

/** Writes a phase to its places in dx, summing up the channels that belong together. */
function interleave(
  backend: BackendWasm,
  part: TensorInfo,
  dx: TensorInfo,
  geometry: Geometry,
  height: Phase,
  width: Phase,
  multiplier: number,
): void {
  const { batch, rows, columns, inChannels } = geometry;
  const heap = heapOf(backend, dx);
  const target = startOf(backend, dx);
  let from = startOf(backend, part);
  for (let image = 0; image < batch; image++) {
    for (let i = 0; i < height.count; i++) {
      const row = (image * rows.input + height.first + i * rows.stride) * columns.input + width.first;
      for (let j = 0; j < width.count; j++) {
        const to = target + (row + j * columns.stride) * inChannels;
        if (multiplier === 1) {
          for (let channel = 0; channel < inChannels; channel++) heap[to + channel] = heap[from++]!;
        } else {
          for (let channel = 0; channel < inChannels; channel++) {
            let sum = 0;
            for (let m = 0; m < multiplier; m++) sum += heap[from++];
            heap[to + channel] = sum;
          }
        }
      }
    }
  }
}
