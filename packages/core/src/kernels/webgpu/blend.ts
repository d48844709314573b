import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { BlendInputs, BlendRule } from '../blend.js';
import type { Form, Inputs } from '../kernel.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf } from './contraction.js';

// Of the eight storage buffers of a shader, one has the weights and one the result.
const MOST = 6;
// Positions of an invocation, whose weights it has once.
const POSITIONS = 4;

/** The kernel on WebGPU. */
export const webgpuBlend: Form<WebGPUBackend, BlendInputs, BlendRule> = {
  fits: ({ weights, branch0 }) => weights.shape[1]! <= MOST && branch0.size > 0,
  run,
};

function run(backend: WebGPUBackend, { weights, ...inputs }: Inputs<BlendInputs>, { softmax }: BlendRule): TensorInfo {
  const [images, branches, channels] = weights.shape;
  const names = Array.from({ length: branches }, (_, i) => `branch${i}` as const);
  const maps = names.map((name) => (inputs as Inputs<BlendInputs>)[name]);
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const positions = sizeOf(maps[0].shape) / channels / images;
  const blocks = Math.ceil(positions / POSITIONS);
  const each = (code: (i: number) => string, between: string) => names.map((_, i) => code(i)).join(between);
  const peak = names.slice(1).reduce((peak, _, i) => `max(${peak}, w${i + 1})`, 'w0');
  return dispatch(
    backend,
    {
      key: `blend ${lanes} ${branches} ${softmax}`,
      reads: { weights: lanes, ...Object.fromEntries(names.map((name) => [name, lanes])) },
      writes: lanes,
      integers: { units, positions, blocks, images },
      invocations: INVOCATIONS,
      workgroups: Math.ceil((images * blocks * units) / INVOCATIONS),
      shape: maps[0].shape,
      body: `
        let own = i32(group) * ${INVOCATIONS} + i32(lane);
        let unit = own % uniforms.units;
        let first = own / uniforms.units % uniforms.blocks * ${POSITIONS};
        let image = own / uniforms.units / uniforms.blocks;
        if (image >= uniforms.images) { return; }
        ${each((i) => `var w${i} = weights[(image * ${branches} + ${i}) * uniforms.units + unit];`, '\n')}
        ${softmax ? softmaxCode() : ''}
        for (var position = first; position < min(first + ${POSITIONS}, uniforms.positions); position++) {
          let i = (image * uniforms.positions + position) * uniforms.units + unit;
          result[i] = ${each((i) => `branch${i}[i] * w${i}`, ' + ')};
        }`,
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
