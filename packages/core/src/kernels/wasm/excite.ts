import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf } from '../../shapes.js';
import { exciteSizes, type ExciteAttrs, type ExciteInputs } from '../excite.js';
import type { Form, Inputs } from '../kernel.js';
import { kindOf } from './activation.js';
import { FLOAT_BYTES, type WasmBackend } from './backend.js';
import { addressOrNone, layers, withFolded } from './layers.js';

// From so many rows on it pays to pack the kernels.
const ROWS = 32;

/** The kernel on wasm. */
export const wasmExcite: Form<WasmBackend, ExciteInputs, ExciteAttrs> = {
  canRun: layers.canRun,
  fits: ({ s }) => s.size / channelsOf(s) < ROWS,
  run,
};

function run(backend: WasmBackend, inputs: Inputs<ExciteInputs>, attrs: ExciteAttrs): TensorInfo {
  const { s, reduce, reduceBias, gamma, beta, expand, expandBias } = inputs;
  const { multiplyRows, normaliseRows, affine, sumSqueezes } = layers.on(backend);
  const { squeezes, images, channels, width, units, shape } = exciteSizes(inputs, attrs);
  const rows = squeezes * images;
  const bytes = rows * width * FLOAT_BYTES;
  // Folded of nothing: factors of 1.
  return withFolded(backend, {}, 0, width, bytes, 'bottleneck', (scratch, hidden) => {
    const out = backend.makeOutput(shape, 'float32');
    const at = (x: TensorInfo | undefined) => addressOrNone(backend, x);
    multiplyRows(at(s), rows, channels, at(reduce), width, at(reduceBias), 1, hidden);
    if (gamma) normaliseRows(hidden, rows, width, at(gamma), at(beta), attrs.epsilon);
    affine(hidden, bytes, width, kindOf(attrs.activation), scratch, hidden);
    sumSqueezes(hidden, squeezes, images * width);
    multiplyRows(hidden, images, width, at(expand), units, at(expandBias), squeezes, at(out));
    return out;
  });
}
