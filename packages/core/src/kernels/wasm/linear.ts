import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf, sizeOf } from '../../shapes.js';
import type { AffineAttrs } from '../affine.js';
import type { Form, Inputs } from '../kernel.js';
import { areAlike, type LinearInputs, type SplitLinearAttrs, type SplitLinearInputs } from '../linear.js';
import { kindOf } from './activation.js';
import { mapAffinely } from './affine.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { convolveMaps, panelBytes } from './convolve.js';
import { layers, withFolded } from './layers.js';

// For fewer rows it takes longer to pack a kernel than to multiply by it as it lies in memory.
const PACKED_ROWS = 8;
// A kernel of more values does not stay in the caches; then XNNPACK, which keeps it packed, is faster for few rows.
const CACHED = 2 ** 20;

/** The linear map on wasm: of many rows, a convolution of one row of pixels with a kernel of side 1. */
export const wasmLinear: Form<WasmBackend, LinearInputs, AffineAttrs> = {
  canRun: layers.canRun,
  fits: ({ x, kernel }) => kernel.size <= CACHED || x.size / channelsOf(x) >= PACKED_ROWS,
  run,
};

/** The two linear maps on wasm. */
export const wasmSplitLinear: Form<WasmBackend, SplitLinearInputs, SplitLinearAttrs> = { canRun: layers.canRun, fits: areAlike, run: runSplit };

function run(backend: WasmBackend, { x, kernel, ...folded }: Inputs<LinearInputs>, { epsilon, activation }: AffineAttrs): TensorInfo {
  const [inputs, units] = kernel.shape;
  const rows = sizeOf(x.shape) / inputs;
  const packs = rows >= PACKED_ROWS;
  return withFolded(backend, folded, epsilon, units, packs ? panelBytes(backend, 1, inputs) : 0, 'linear', (scratch, panel) => {
    const out = backend.makeOutput([...x.shape.slice(0, -1), units], 'float32');
    const at = { x: addressOf(backend, x), kernel: addressOf(backend, kernel), out: addressOf(backend, out) };
    const kind = kindOf(activation);
    if (packs) {
      const sizes = { images: 1, bytes: { x: 0, out: 0 }, width: rows, outWidth: rows, inputs, depth: inputs, filters: units };
      convolveMaps(backend, { ...ROW, ...sizes, ...at, kind, scratch, panel });
    } else {
      layers.on(backend).multiplyRows(at.x, rows, inputs, at.kernel, units, 0, 0, at.out);
      mapAffinely(backend, at.out, rows * units, units, kind, scratch, at.out);
    }
    return out;
  });
}

function runSplit(backend: WasmBackend, inputs: Inputs<SplitLinearInputs>, { at }: SplitLinearAttrs): TensorInfo {
  const { x, kernel, bias, second, secondBias } = inputs;
  const [images, positions, depth] = x.shape;
  const units = kernel.shape[1];
  const out = backend.makeOutput([images, positions, units], 'float32');
  const rowBytes = { x: depth * FLOAT_BYTES, out: units * FLOAT_BYTES };
  const part = (from: number, rows: number, kernel: TensorInfo, bias: TensorInfo | undefined) =>
    withFolded(backend, { bias }, 0, units, panelBytes(backend, 1, depth), 'linear', (scratch, panel) => {
      const [start, result] = [addressOf(backend, x) + from * rowBytes.x, addressOf(backend, out) + from * rowBytes.out];
      const bytes = { x: positions * rowBytes.x, out: positions * rowBytes.out };
      const sizes = { images, bytes, width: rows, outWidth: rows, inputs: depth, depth, filters: units };
      convolveMaps(backend, { ...ROW, ...sizes, x: start, kernel: addressOf(backend, kernel), out: result, kind: 0, scratch, panel });
    });
  part(0, at, kernel, bias);
  part(at, positions - at, second, secondBias);
  return out;
}

const ROW = { height: 1, outHeight: 1, k: 1, groups: 1, stride: 1, dilation: 1, padding: 0 };
