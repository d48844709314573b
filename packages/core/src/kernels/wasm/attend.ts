import type { AttendInputs } from '../attend.js';
import type { Form } from '../kernel.js';
import { attendProgram, byGroups, rowOf, strideOf, withAttend } from './attend-program.js';
import type { WasmBackend } from './backend.js';

/** The kernel on wasm. */
export const wasmAttend: Form<WasmBackend, AttendInputs> = {
  canRun: attendProgram.canRun,
  run(backend, inputs) {
    const { q, k, v, bias, rowBias } = inputs;
    const [batch, n] = q.shape;
    return withAttend(backend, inputs, false, ({ takeKeys, attend }) => {
      const out = backend.makeOutput([batch, n, v.shape[2]], 'float32');
      for (let i = 0; i < batch; i++) {
        takeKeys(rowOf(backend, k, i, 0), rowOf(backend, v, i, 0));
        byGroups(n, (from, count) => {
          const row = (x: typeof bias) => rowOf(backend, x, i, from);
          attend(row(q), count, row(bias), strideOf(bias), row(rowBias), row(out));
        });
      }
      return out;
    });
  },
};
