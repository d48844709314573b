import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Form, Inputs } from '../kernel.js';
import type { JointInputs, JointRule } from '../scale-jointly.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { lanesOf, typeOf } from './contraction.js';
import { overPositions } from './positions.js';

// Bounded, since a GPU need not know infinity.
const ACTIVATIONS = { sigmoid: '1.0 / (1.0 + exp(min(-z, T(80.0))))', tanh: 'tanh(clamp(z, T(-20.0), T(20.0)))' } as const;

/** The kernel on WebGPU. */
export const webgpuScaleJointly: Form<WebGPUBackend, JointInputs, JointRule> = { fits: ({ x }) => x.size > 0, run };

function run(backend: WebGPUBackend, { x, spatial, factor, offset }: Inputs<JointInputs>, { activation, residual }: JointRule): TensorInfo {
  const lanes = lanesOf(x.shape.at(-1)!);
  const type = typeOf(lanes);
  const term = (name: string, tensor: TensorInfo | undefined, otherwise: string) =>
    `let own${name} = ${tensor ? `${name}[image * uniforms.units + unit]` : `${type}(${otherwise})`};`;
  return dispatch(
    backend,
    {
      key: `scaleJointly ${lanes} ${activation} ${residual} ${factor !== undefined} ${offset !== undefined}`,
      reads: { x: lanes, spatial: 1, ...(factor && { factor: lanes }), ...(offset && { offset: lanes }) },
      ...overPositions(x.shape, {
        shared: `${term('factor', factor, '1.0')} ${term('offset', offset, '0.0')}`,
        statements: 'let z = ownfactor * spatial[position] + ownoffset;',
        result: `x[i] * (${ACTIVATIONS[activation].replaceAll('T(', `${type}(`)}${residual ? ' + 1.0' : ''})`,
      }),
    },
    [x, spatial, factor, offset].filter((tensor) => tensor !== undefined),
  );
}
