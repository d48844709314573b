import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { ShiftInputs } from '../shift.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf } from './contraction.js';

// Positions of an invocation, whose offset it reads once.
const POSITIONS = 4;

/** The kernel on WebGPU. */
export const webgpuShift: Form<WebGPUBackend, ShiftInputs> = { fits: ({ x }) => x.size > 0, run };

function run(backend: WebGPUBackend, { x, offset }: Inputs<ShiftInputs>): TensorInfo {
  const [images, channels] = offset.shape;
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const positions = sizeOf(x.shape) / channels / images;
  const blocks = Math.ceil(positions / POSITIONS);
  return dispatch(
    backend,
    {
      key: `shift ${lanes}`,
      reads: { x: lanes, offset: lanes },
      writes: lanes,
      integers: { units, positions, blocks, images },
      invocations: INVOCATIONS,
      workgroups: Math.ceil((images * blocks * units) / INVOCATIONS),
      shape: x.shape,
      body: `
        let own = i32(group) * ${INVOCATIONS} + i32(lane);
        let unit = own % uniforms.units;
        let first = own / uniforms.units % uniforms.blocks * ${POSITIONS};
        let image = own / uniforms.units / uniforms.blocks;
        if (image >= uniforms.images) { return; }
        let value = offset[image * uniforms.units + unit];
        for (var position = first; position < min(first + ${POSITIONS}, uniforms.positions); position++) {
          let i = (image * uniforms.positions + position) * uniforms.units + unit;
          result[i] = x[i] + value;
        }`,
    },
    [x, offset],
  );
}
