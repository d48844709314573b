import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf, sizeOf } from '../../shapes.js';
import type { AffineAttrs } from '../affine.js';
import type { Form } from '../kernel.js';
import { areAlike, type LinearInputs, type SplitLinearAttrs, type SplitLinearInputs } from '../linear.js';
import { activateWgsl } from './activation.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, sharesOf, sumWgsl, typeOf } from './contraction.js';

// More multiply-adds than these are rather done as matrices are multiplied, with tiles of both in workgroup memory.
const MACS = 2 ** 25;

const fits = ({ x, kernel }: Pick<LinearInputs, 'x' | 'kernel'>) => x.size * channelsOf(kernel) <= MACS;

/** The linear map on WebGPU. */
export const webgpuLinear: Form<WebGPUBackend, LinearInputs, AffineAttrs> = {
  fits,
  run: (backend, { x, kernel, ...folded }, { epsilon, activation }) => {
    const given = Object.entries(folded).filter(([, x]) => x !== undefined) as [string, TensorInfo][];
    const has = (name: string) => given.some(([given]) => given === name);
    const lanes = lanesOf(kernel.shape[1]);
    return multiply(backend, x, kernel, {
      key: `linear ${activation} ${given.map(([name]) => name).join(' ')}`,
      given,
      numbers: {},
      epsilon,
      declarations: activateWgsl(activation, lanes),
      weight: (i) => `kernel[${i}]`,
      finish: `
        ${has('bias') ? 'y += bias[unit];' : ''}
        ${has('mean') ? 'y -= mean[unit];' : ''}
        ${has('gamma') ? 'y *= gamma[unit];' : ''}
        ${has('variance') ? 'y *= inverseSqrt(variance[unit] + uniforms.epsilon);' : ''}
        ${has('beta') ? 'y += beta[unit];' : ''}
        y = activate(y);`,
    });
  },
};

/** The two linear maps on WebGPU. */
export const webgpuSplitLinear: Form<WebGPUBackend, SplitLinearInputs, SplitLinearAttrs> = {
  fits: (inputs) => areAlike(inputs) && fits(inputs),
  run: (backend, { x, kernel, bias, second, secondBias }, { at }) => {
    const biases: [string, TensorInfo][] = bias && secondBias ? Object.entries({ bias, secondBias }) : [];
    const type = typeOf(lanesOf(kernel.shape[1]));
    return multiply(backend, x, kernel, {
      key: `split linear ${biases.length}`,
      given: [['second', second], ...biases],
      numbers: { positions: x.shape[1], at },
      epsilon: 0,
      declarations: `
        fn weightOf(row : i32, i : i32) -> ${type} {
          if (row % uniforms.positions < uniforms.at) { return kernel[i]; }
          return second[i];
        }`,
      weight: (i) => `weightOf(row, ${i})`,
      finish: biases.length > 0 ? 'if (row % uniforms.positions < uniforms.at) { y += bias[unit]; } else { y += secondBias[unit]; }' : '',
    });
  },
};

/** In what one linear map differs from another. */
interface Variant {
  readonly key: string;
  /** Tensors beside x and kernel, of as many lanes as the kernel. */
  readonly given: readonly [string, TensorInfo][];
  readonly numbers: Readonly<Record<string, number>>;
  readonly epsilon: number;
  readonly declarations: string;
  /** WGSL: element i of the kernel, for what is number `row` of all rows. */
  readonly weight: (i: string) => string;
  /** WGSL: what becomes of `y`, the sum for `row` and `unit`. */
  readonly finish: string;
}

function multiply(backend: WebGPUBackend, x: TensorInfo, kernel: TensorInfo, variant: Variant): TensorInfo {
  const { key, given, numbers, epsilon, declarations, weight, finish } = variant;
  const [inputs, channels] = kernel.shape;
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const rows = sizeOf(x.shape) / inputs;
  const shares = sharesOf(inputs, units, true);
  const blocks = Math.ceil(units / shares.units);
  return dispatch(
    backend,
    {
      key: `${key} ${lanes}`,
      reads: { x: 1, kernel: lanes, ...Object.fromEntries(given.map(([name]) => [name, lanes])) },
      writes: lanes,
      integers: { inputs, units, rows, blocks, unitShare: shares.units, parts: shares.parts, rowShare: shares.rows, ...numbers },
      floats: { epsilon },
      invocations: INVOCATIONS,
      workgroups: blocks * Math.ceil(rows / shares.rows),
      shape: [...x.shape.slice(0, -1), channels],
      declarations: `
        var<workgroup> partial : array<${typeOf(lanes)}, ${INVOCATIONS}>;
        ${declarations}`,
      body: `
        let unit = i32(group) % uniforms.blocks * uniforms.unitShare + i32(lane) % uniforms.unitShare;
        let part = i32(lane) / uniforms.unitShare % uniforms.parts;
        let row = i32(group) / uniforms.blocks * uniforms.rowShare + i32(lane) / (uniforms.unitShare * uniforms.parts);
        let wanted = row < uniforms.rows && unit < uniforms.units;
        ${sumWgsl({
          partial: 'partial',
          lanes,
          term: `x[row * uniforms.inputs + k] * ${weight('k * uniforms.units + unit')}`,
          terms: 'uniforms.inputs',
          active: 'wanted',
          parts: 'uniforms.parts',
          distance: 'uniforms.unitShare',
        })}
        if (part == 0 && wanted) {
          var y = partial[lane];
          ${finish}
          result[row * uniforms.units + unit] = y;
        }`,
    },
    [x, kernel, ...given.map(([, x]) => x)],
  );
}
