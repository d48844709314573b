import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf } from '../../shapes.js';
import { exciteSizes, type ExciteAttrs, type ExciteInputs } from '../excite.js';
import type { Form, Inputs } from '../kernel.js';
import { kindOf } from './activation.js';
import { addressOf, withScratch, type WasmBackend } from './backend.js';
import { EXCITE, EXCITE_PLAIN } from './excite-binary.js';
import { programOf } from './program.js';

/** excite.as */
interface Excite {
  readonly scratchBytes: (rows: number, width: number) => number;
  readonly prepare: (scratch: number) => number;
  readonly multiply: (x: number, rows: number, inputs: number, kernel: number, units: number, bias: number, biasShare: number, out: number) => void;
  readonly connect: (
    hidden: number,
    squeezes: number,
    images: number,
    width: number,
    gamma: number,
    beta: number,
    epsilon: number,
    activation: number,
    scratch: number,
  ) => void;
}

// From so many rows on it pays to pack the kernels.
const ROWS = 32;

const program = programOf<Excite>(EXCITE, EXCITE_PLAIN);

/** The kernel on wasm. */
export const wasmExcite: Form<WasmBackend, ExciteInputs, ExciteAttrs> = {
  canRun: program.canRun,
  fits: ({ s }) => s.size / channelsOf(s) < ROWS,
  run,
};

function run(backend: WasmBackend, inputs: Inputs<ExciteInputs>, attrs: ExciteAttrs): TensorInfo {
  const { s, reduce, reduceBias, gamma, beta, expand, expandBias } = inputs;
  const { scratchBytes, prepare, multiply, connect } = program.on(backend);
  const { squeezes, images, channels, width, units, shape } = exciteSizes(inputs, attrs);
  const rows = squeezes * images;
  return withScratch(backend, scratchBytes(rows, width), 'bottleneck', (scratch) => {
    const out = backend.makeOutput(shape, 'float32');
    const at = (x: TensorInfo | undefined) => (x ? addressOf(backend, x) : 0);
    const hidden = prepare(scratch);
    multiply(at(s), rows, channels, at(reduce), width, at(reduceBias), 1, hidden);
    connect(hidden, squeezes, images, width, at(gamma), at(beta), attrs.epsilon, kindOf(attrs.activation), scratch);
    multiply(hidden, images, width, at(expand), units, at(expandBias), squeezes, at(out));
    return out;
  });
}
