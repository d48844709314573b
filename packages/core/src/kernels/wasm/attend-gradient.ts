import { util } from '@tensorflow/tfjs-core';
import type { AttendGradientInputs } from '../attend-gradient.js';
import type { Form } from '../kernel.js';
import { attendProgram, byGroups, rowAddress, rowOf, strideOf, withAttend } from './attend-program.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';

/** The kernel on wasm. */
export const wasmAttendGradient: Form<WasmBackend, AttendGradientInputs> = {
  canRun: attendProgram.canRun,
  run(backend, inputs) {
    const { q, k, v, bias, rowBias, y, dy } = inputs;
    const [batch, n] = q.shape;
    const sizes = [q, k, v, bias, rowBias].map((x) => (x ? util.sizeFromShape(x.shape) : 0));
    return withAttend(backend, inputs, true, ({ takeKeysForGradient, attendGradient, giveKeys }) => {
      const out = backend.makeOutput([sizes.reduce((a, b) => a + b)], 'float32');
      const [dq, dk, dv, dBias, dRowBias] = sizes.map((_, i) => addressOf(backend, out) + sizes.slice(0, i).reduce((a, b) => a + b, 0) * FLOAT_BYTES);
      // To these each image adds.
      backend.wasm.HEAPU8.fill(0, dBias, dBias + (sizes[3] + sizes[4]) * FLOAT_BYTES);
      for (let i = 0; i < batch; i++) {
        takeKeysForGradient(rowOf(backend, k, i, 0), rowOf(backend, v, i, 0));
        byGroups(n, (from, count) => {
          const row = (x: typeof bias) => rowOf(backend, x, i, from);
          const own = (x: typeof bias, gradient: number) => rowAddress(x, gradient, i, from);
          attendGradient(
            row(q),
            count,
            row(bias),
            strideOf(bias),
            row(rowBias),
            row(y),
            row(dy),
            own(q, dq),
            own(bias, dBias),
            own(rowBias, dRowBias),
          );
        });
        giveKeys(rowAddress(k, dk, i, 0), rowAddress(v, dv, i, 0));
      }
      return out;
    });
  },
};
