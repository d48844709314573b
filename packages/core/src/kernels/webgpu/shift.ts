import type { Form } from '../kernel.js';
import type { ShiftInputs } from '../shift.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { lanesOf } from './contraction.js';
import { overPositions } from './positions.js';

/** The kernel on WebGPU. */
export const webgpuShift: Form<WebGPUBackend, ShiftInputs> = {
  fits: ({ x }) => x.size > 0,
  run: (backend, { x, offset }) => {
    const lanes = lanesOf(x.shape.at(-1)!);
    const code = overPositions(x.shape, { shared: 'let value = offset[image * uniforms.units + unit];', result: 'x[i] + value' });
    return dispatch(backend, { key: `shift ${lanes}`, reads: { x: lanes, offset: lanes }, ...code }, [x, offset]);
  },
};
