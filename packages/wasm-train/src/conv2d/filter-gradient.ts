import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { geometryOf, type ConvAttrs, type Geometry } from '../geometry.js';
import { free, heapOf, product, reshaped, startOf, zeros } from '../heap.js';
import { elementsOf, tapsOf, type Axis, type Tap } from '../taps.js';

// One product of a chunk of positions has about this many elements in its left operand: few calls, and a working set that caches hold.
const CHUNK_ELEMENTS = 1 << 19;
const MIN_CHUNK = 512;

/**
 * `Conv2DBackpropFilter`: the gradient of a convolution's filter, `dW[k, ci, co] = Σₚ x[p + k, ci] · dy[p, co]`.
 *
 * Input and gradient are laid on one grid of positions, flattened to a line, on which a tap of the kernel is nothing but a shift. With x
 * transposed to a line per channel, the shifted lines of all taps and channels are the rows of a matrix, copied whole; its product with dy
 * is the filter's gradient. The line is worked off in chunks.
 */
export function conv2DBackpropFilter(backend: BackendWasm, x: TensorInfo, dy: TensorInfo, attrs: ConvAttrs & { filterShape: number[] }): TensorInfo {
  const { filterShape } = attrs;
  const geometry = geometryOf('Conv2DBackpropFilter', x.shape, filterShape, dy.shape, attrs, false);
  const { inChannels, outChannels } = geometry;
  const grid = gridOf(geometry);
  const height = grid.taps.length * inChannels;
  if (grid.outputs <= 0 || height * outChannels === 0) return zeros(backend, filterShape);

  const lines = inputLines(backend, x, geometry, grid);
  const chunks = Math.ceil(grid.outputs / Math.max(MIN_CHUNK, Math.floor(CHUNK_ELEMENTS / height)));
  const length = Math.ceil(grid.outputs / chunks);
  let sum: TensorInfo | undefined;
  for (let from = 0; from < grid.outputs; from += length) {
    const to = Math.min(grid.outputs, from + length);
    const shifted = shiftedLines(backend, lines, inChannels, grid, from, to);
    const gradient = gradientPositions(backend, dy, geometry, grid, from, to);
    const part = product(backend, shifted, gradient);
    free(backend, shifted, gradient);
    if (sum) {
      accumulate(backend, sum, part);
      free(backend, part);
    } else {
      sum = part;
    }
  }
  free(backend, lines);
  return reshaped(sum!, filterShape);
}

/** The common line of positions of input and output. */
interface Grid {
  /** Positions from one row to the next, and rows from one image to the next. */
  readonly rowPitch: number;
  readonly imagePitch: number;
  /** Positions that the outputs, and the inputs of a phase, take up. */
  readonly outputs: number;
  readonly inputs: number;
  /** Phases of the strided input, rows by columns. */
  readonly phases: { readonly row: number; readonly column: number }[];
  /** For each tap of the kernel, in the filter's order: its phase, and its shift along the line. */
  readonly taps: { readonly phase: number; readonly shift: number }[];
}

function gridOf({ batch, rows, columns }: Geometry): Grid {
  const rowTaps = tapsOf(rows);
  const columnTaps = tapsOf(columns);
  const rowPitch = pitchOf(columns, columnTaps);
  const imagePitch = pitchOf(rows, rowTaps);
  const outputs = ((batch - 1) * imagePitch + rows.output - 1) * rowPitch + columns.output;
  const phases = phasesOf(rowTaps).flatMap((row) => phasesOf(columnTaps).map((column) => ({ row, column })));
  const taps = rowTaps.flatMap((row) =>
    columnTaps.map((column) => ({
      phase: phases.findIndex((phase) => phase.row === row.phase && phase.column === column.phase),
      shift: row.shift * rowPitch + column.shift,
    })),
  );
  return { rowPitch, imagePitch, outputs, inputs: outputs + taps.at(-1)!.shift, phases, taps };
}

/**
 * How far apart lines of this axis begin. One that leaves its input at either end reads zeros there; neighbours share them, so that padding
 * on both sides costs the room of one.
 */
function pitchOf(axis: Axis, taps: Tap[]): number {
  const length = axis.output + taps.at(-1)!.shift;
  const leading = Math.floor(axis.pad / axis.stride);
  const trailing = Math.max(0, length - Math.ceil((axis.input + axis.pad) / axis.stride));
  return Math.max(axis.output, length - Math.min(leading, trailing));
}

function phasesOf(taps: Tap[]): number[] {
  return [...new Set(taps.map((tap) => tap.phase))];
}

/** x as `[phase, channel, position]`, zero off the input. */
function inputLines(backend: BackendWasm, x: TensorInfo, { batch, inChannels, rows, columns }: Geometry, grid: Grid): TensorInfo {
  const lines = zeros(backend, [grid.phases.length, inChannels, grid.inputs]);
  const heap = heapOf(backend, lines);
  const source = startOf(backend, x);
  const target = startOf(backend, lines);
  const rowEnd = rows.output + tapsOf(rows).at(-1)!.shift;
  const columnEnd = columns.output + tapsOf(columns).at(-1)!.shift;
  const step = columns.stride * inChannels;
  grid.phases.forEach((phase, index) => {
    const height = elementsOf(rows, phase.row);
    const width = elementsOf(columns, phase.column);
    const count = Math.min(width.end, columnEnd) - width.first;
    const left = width.first * columns.stride + phase.column - columns.pad;
    for (let image = 0; image < batch; image++) {
      for (let i = height.first; i < Math.min(height.end, rowEnd); i++) {
        const y = i * rows.stride + phase.row - rows.pad;
        const from = source + ((image * rows.input + y) * columns.input + left) * inChannels;
        const to = target + index * inChannels * grid.inputs + (image * grid.imagePitch + i) * grid.rowPitch + width.first;
        for (let channel = 0; channel < inChannels; channel++) {
          const line = to + channel * grid.inputs;
          for (let j = 0, at = from + channel; j < count; j++, at += step) heap[line + j] = heap[at]!;
        }
      }
    }
  });
  return lines;
}

/** `[tap · channel, position]`: the input that each tap sees from the output positions `from … to`. */
function shiftedLines(backend: BackendWasm, lines: TensorInfo, channels: number, { taps, inputs }: Grid, from: number, to: number): TensorInfo {
  const length = to - from;
  const shifted = backend.makeOutput([taps.length * channels, length], 'float32');
  const heap = heapOf(backend, shifted);
  const source = startOf(backend, lines);
  let target = startOf(backend, shifted);
  for (const { phase, shift } of taps) {
    for (let channel = 0; channel < channels; channel++, target += length) {
      const at = source + (phase * channels + channel) * inputs + shift + from;
      heap.copyWithin(target, at, at + length);
    }
  }
  return shifted;
}

/** `[position, channel]`: dy at the positions `from … to`, zero between the outputs. */
function gradientPositions(
  backend: BackendWasm,
  dy: TensorInfo,
  { rows, columns, outChannels }: Geometry,
  grid: Grid,
  from: number,
  to: number,
): TensorInfo {
  const gradient = zeros(backend, [to - from, outChannels]);
  const heap = heapOf(backend, gradient);
  const source = startOf(backend, dy);
  const target = startOf(backend, gradient);
  for (let row = Math.floor(from / grid.rowPitch); row * grid.rowPitch < to; row++) {
    const y = row % grid.imagePitch;
    if (y >= rows.output) continue;
    const image = Math.floor(row / grid.imagePitch);
    const start = row * grid.rowPitch;
    const first = Math.max(0, from - start);
    const end = Math.min(columns.output, to - start);
    if (first >= end) continue;
    const at = source + (image * rows.output + y) * columns.output * outChannels;
    heap.copyWithin(target + (start + first - from) * outChannels, at + first * outChannels, at + end * outChannels);
  }
  return gradient;
}

function accumulate(backend: BackendWasm, sum: TensorInfo, part: TensorInfo): void {
  const into = backend.typedArrayFromHeap(sum);
  const values = backend.typedArrayFromHeap(part);
  for (let i = 0; i < into.length; i++) into[i] += values[i];
}
