import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { JointInputs, JointRule } from '../scale-jointly.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf } from './contraction.js';

// Positions of an invocation, whose factor and offset it reads once.
const POSITIONS = 4;

// Bounded, since a GPU need not know infinity.
const ACTIVATIONS = { sigmoid: '1.0 / (1.0 + exp(min(-z, T(80.0))))', tanh: 'tanh(clamp(z, T(-20.0), T(20.0)))' } as const;

/** The kernel on WebGPU. */
export const webgpuScaleJointly: Form<WebGPUBackend, JointInputs, JointRule> = { fits: ({ x }) => x.size > 0, run };

function run(backend: WebGPUBackend, { x, spatial, factor, offset }: Inputs<JointInputs>, { activation, residual }: JointRule): TensorInfo {
  const [images, channels] = [x.shape[0], x.shape.at(-1)!];
  const lanes = lanesOf(channels);
  const type = typeOf(lanes);
  const units = channels / lanes;
  const positions = sizeOf(spatial.shape) / images;
  const blocks = Math.ceil(positions / POSITIONS);
  const term = (name: string, tensor: TensorInfo | undefined, otherwise: string) =>
    `let own${name} = ${tensor ? `${name}[image * uniforms.units + unit]` : `${type}(${otherwise})`};`;
  return dispatch(
    backend,
    {
      key: `scaleJointly ${lanes} ${activation} ${residual} ${factor !== undefined} ${offset !== undefined}`,
      reads: { x: lanes, spatial: 1, ...(factor && { factor: lanes }), ...(offset && { offset: lanes }) },
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
        ${term('factor', factor, '1.0')}
        ${term('offset', offset, '0.0')}
        for (var j = first; j < min(first + ${POSITIONS}, uniforms.positions); j++) {
          let position = image * uniforms.positions + j;
          let z = ownfactor * spatial[position] + ownoffset;
          let i = position * uniforms.units + unit;
          result[i] = x[i] * (${ACTIVATIONS[activation].replaceAll('T(', `${type}(`)}${residual ? ' + 1.0' : ''});
        }`,
    },
    [x, spatial, factor, offset].filter((tensor) => tensor !== undefined),
  );
}
