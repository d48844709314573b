import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { ShiftInputs } from '../shift.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { forEachPiece, walkOf } from './scale-walk.js';
import { scaleProgram } from './scale.js';

/** The kernel on wasm. */
export const wasmShift: Form<WasmBackend, ShiftInputs> = {
  canRun: scaleProgram.canRun,
  // Of one channel, XNNPACK takes several positions at once.
  fits: ({ x }) => channelsOf(x) > 1,
  run,
};

function run(backend: WasmBackend, { x, offset }: Inputs<ShiftInputs>): TensorInfo {
  const { shift } = scaleProgram.on(backend);
  const channels = x.shape.at(-1)!;
  const out = backend.makeOutput(x.shape, 'float32');
  const [from, offsets, to] = [x, offset, out].map((tensor) => addressOf(backend, tensor));
  forEachPiece(walkOf(x.shape, []), ({ image, positions, at }) => {
    shift(from + at, positions, channels, offsets + image * channels * FLOAT_BYTES, to + at);
  });
  return out;
}
