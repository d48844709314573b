import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendInputs } from '../attend.js';
import type { Form, Inputs } from '../kernel.js';
import { attendProgram, byGroups, rowAddress, rowOf, strideOf, withAttend } from './attend-program.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';

const { canRun } = attendProgram;

/** The kernel on wasm. */
export const wasmAttend: Form<WasmBackend, AttendInputs> = { canRun, run: (backend, inputs) => run(backend, inputs, false) };

/** The kernel on wasm that gives what its gradient asks for. */
export const wasmAttendWithPeaks: Form<WasmBackend, AttendInputs> = { canRun, run: (backend, inputs) => run(backend, inputs, true) };

function run(backend: WasmBackend, inputs: Inputs<AttendInputs>, withPeaks: boolean): TensorInfo {
  const { q, k, v, bias, rowBias } = inputs;
  const [batch, n] = q.shape;
  const shape = [batch, n, v.shape[2]];
  const peaksShape = [batch, n, 2];
  const [size, peaksSize] = [shape, peaksShape].map(util.sizeFromShape);
  return withAttend(backend, inputs, false, ({ takeKeys, attend }) => {
    const out = backend.makeOutput(withPeaks ? [size + peaksSize] : shape, 'float32');
    const to = addressOf(backend, out);
    for (let i = 0; i < batch; i++) {
      takeKeys(rowOf(backend, k, i, 0), rowOf(backend, v, i, 0));
      byGroups(n, (from, count) => {
        const row = (x: TensorInfo | undefined) => rowOf(backend, x, i, from);
        const results = rowAddress(shape, to, i, from);
        const peaks = withPeaks ? rowAddress(peaksShape, to + size * FLOAT_BYTES, i, from) : 0;
        attend(row(q), count, row(bias), strideOf(bias), row(rowBias), results, peaks);
      });
    }
    return out;
  });
}
