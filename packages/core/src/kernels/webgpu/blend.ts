import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BlendInputs, BlendRule } from '../blend.js';
import type { Form, Inputs } from '../kernel.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { lanesOf, typeOf } from './contraction.js';
import { overPositions } from './positions.js';

// Of the eight storage buffers of a shader, one has the weights and one the result.
const MOST = 6;

/** The kernel on WebGPU. */
export const webgpuBlend: Form<WebGPUBackend, BlendInputs, BlendRule> = {
  fits: ({ weights, branch0 }) => weights.shape[1]! <= MOST && branch0.size > 0,
  run,
};

function run(backend: WebGPUBackend, { weights, ...inputs }: Inputs<BlendInputs>, { softmax }: BlendRule): TensorInfo {
  const [, branches, channels] = weights.shape;
  const names = Array.from({ length: branches }, (_, i) => `branch${i}` as const);
  const maps = names.map((name) => (inputs as Inputs<BlendInputs>)[name]);
  const lanes = lanesOf(channels);
  const each = (code: (i: number) => string, between: string) => names.map((_, i) => code(i)).join(between);
  const peak = names.slice(1).reduce((peak, _, i) => `max(${peak}, w${i + 1})`, 'w0');
  return dispatch(
    backend,
    {
      key: `blend ${lanes} ${branches} ${softmax}`,
      reads: { weights: lanes, ...Object.fromEntries(names.map((name) => [name, lanes])) },
      ...overPositions(maps[0].shape, {
        shared: `
          ${each((i) => `var w${i} = weights[(image * ${branches} + ${i}) * uniforms.units + unit];`, '\n')}
          ${softmax ? softmaxCode() : ''}`,
        result: each((i) => `branch${i}[i] * w${i}`, ' + '),
      }),
    },
    [weights, ...maps],
  );

  function softmaxCode(): string {
    return `
        let peak = ${peak};
        ${each((i) => `w${i} = exp(w${i} - peak);`, '\n')}
        let share = ${typeOf(lanes)}(1.0) / (${each((i) => `w${i}`, ' + ')});
        ${each((i) => `w${i} *= share;`, '\n')}`;
  }
}
