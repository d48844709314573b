import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { AffineAttrs, AffineInputs } from '../affine.js';
import type { Form, Inputs } from '../kernel.js';
import { activateWgsl } from './activation.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf } from './contraction.js';

// Rows of channels that an invocation takes with one reading of their factors.
const ROWS = 4;

/** The kernel on WebGPU. */
export const webgpuAffine: Form<WebGPUBackend, AffineInputs, AffineAttrs> = { run };

function run(backend: WebGPUBackend, { x, gamma, beta, mean, variance }: Inputs<AffineInputs>, { epsilon, activation }: AffineAttrs): TensorInfo {
  const channels = x.shape.at(-1)!;
  const lanes = lanesOf(channels);
  const rows = sizeOf(x.shape) / channels;
  const moments = mean && variance ? [mean, variance] : [];
  return dispatch(
    backend,
    {
      key: `affine ${lanes} ${moments.length} ${activation}`,
      reads: { x: lanes, gamma: lanes, beta: lanes, ...(moments.length > 0 && { mean: lanes, variance: lanes }) },
      writes: lanes,
      integers: { units: channels / lanes, rows },
      floats: { epsilon },
      invocations: INVOCATIONS,
      workgroups: Math.ceil(((channels / lanes) * Math.ceil(rows / ROWS)) / INVOCATIONS),
      shape: x.shape,
      declarations: activateWgsl(activation, lanes),
      body: `
        let own = i32(group) * ${INVOCATIONS} + i32(lane);
        let unit = own % uniforms.units;
        let first = own / uniforms.units * ${ROWS};
        let factor = gamma[unit]${moments.length > 0 ? ' * inverseSqrt(variance[unit] + uniforms.epsilon)' : ''};
        let offset = beta[unit]${moments.length > 0 ? ' - mean[unit] * factor' : ''};
        for (var row = first; row < min(first + ${ROWS}, uniforms.rows); row++) {
          let i = row * uniforms.units + unit;
          result[i] = activate(x[i] * factor + offset);
        }`,
    },
    [x, gamma, beta, ...moments],
  );
}
