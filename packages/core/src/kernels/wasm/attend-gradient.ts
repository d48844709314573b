import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendGradientInputs } from '../attend-gradient.js';
import type { Form } from '../kernel.js';
import { attendProgram, byGroups, rowAddress, rowOf, strideOf, withAttend } from './attend-program.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';

/** The kernel on wasm. */
export const wasmAttendGradient: Form<WasmBackend, AttendGradientInputs> = {
  canRun: attendProgram.canRun,
  fits: ({ peaks }) => peaks !== undefined,
  run(backend, inputs) {
    const { q, k, v, bias, rowBias, y, peaks, dy } = inputs;
    const [batch, n] = q.shape;
    const sizes = [q, k, v, bias, rowBias].map((x) => (x ? util.sizeFromShape(x.shape) : 0));
    const begins = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
    return withAttend(backend, inputs, true, ({ takeKeysForGradient, attendGradient, giveKeys }) => {
      const out = backend.makeOutput([begins[4] + sizes[4]], 'float32');
      const to = addressOf(backend, out);
      const [dq, dk, dv, dBias, dRowBias] = begins.map((begin) => to + begin * FLOAT_BYTES);
      // To these each image adds.
      backend.wasm.HEAPU8.fill(0, dBias, to + out.shape[0] * FLOAT_BYTES);
      for (let i = 0; i < batch; i++) {
        takeKeysForGradient(rowOf(backend, k, i, 0), rowOf(backend, v, i, 0));
        byGroups(n, (from, count) => {
          const row = (x: TensorInfo | undefined) => rowOf(backend, x, i, from);
          const own = (x: TensorInfo | undefined, gradient: number) => (x ? rowAddress(x.shape, gradient, i, from) : 0);
          const biases = [row(bias), strideOf(bias), row(rowBias)] as const;
          attendGradient(row(q), count, ...biases, row(y), row(peaks), row(dy), own(q, dq), own(bias, dBias), own(rowBias, dRowBias));
        });
        giveKeys(rowAddress(k.shape, dk, i, 0), rowAddress(v.shape, dv, i, 0));
      }
      return out;
    });
  },
};
