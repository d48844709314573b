import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf } from '../../shapes.js';
import { exciteSizes, type ExciteAttrs, type ExciteInputs } from '../excite.js';
import type { Form, Inputs } from '../kernel.js';
import { activateWgsl } from './activation.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, sharesOf, sumWgsl, typeOf, type Lanes } from './contraction.js';

// Values of the narrow layer that there is workgroup memory for.
const WIDTH = 512;
// One workgroup reads both kernels for its image. More rows and larger kernels than these are rather multiplied as matrices.
const ROWS = 256;
const KERNEL_SIZE = 2 ** 19;

/** The kernel on WebGPU: a workgroup for each image. */
export const webgpuExcite: Form<WebGPUBackend, ExciteInputs, ExciteAttrs> = {
  fits: ({ s, reduce, expand }) => expand.shape[0] <= WIDTH && s.size / channelsOf(s) <= ROWS && Math.max(reduce.size, expand.size) <= KERNEL_SIZE,
  run,
};

function run(backend: WebGPUBackend, tensors: Inputs<ExciteInputs>, attrs: ExciteAttrs): TensorInfo {
  const { s, reduce, reduceBias, gamma, beta, expand, expandBias } = tensors;
  const { squeezes, images, channels, width, units, shape } = exciteSizes(tensors, attrs);
  const [narrow, wide] = [lanesOf(width), lanesOf(units)];
  const [narrowShares, wideShares] = [sharesOf(channels, width / narrow, false), sharesOf(width, units / wide, false)];
  const given = Object.entries({ reduceBias, gamma, beta, expandBias }).filter(([, x]) => x !== undefined) as [string, TensorInfo][];
  const has = (name: string) => given.some(([given]) => given === name);
  const lanes: Record<string, Lanes> = { expandBias: wide };
  return dispatch(
    backend,
    {
      key: `excite ${narrow} ${wide} ${attrs.activation} ${given.map(([name]) => name).join(' ')}`,
      reads: { s: 1, reduce: narrow, expand: wide, ...Object.fromEntries(given.map(([name]) => [name, lanes[name] ?? 1])) },
      writes: wide,
      integers: {
        squeezes,
        images,
        channels,
        width,
        narrowUnits: width / narrow,
        narrowShare: narrowShares.units,
        narrowParts: narrowShares.parts,
        wideUnits: units / wide,
        wideShare: wideShares.units,
        wideParts: wideShares.parts,
      },
      floats: { epsilon: attrs.epsilon },
      invocations: INVOCATIONS,
      workgroups: images,
      shape,
      declarations: `
        var<workgroup> narrowPartial : array<${typeOf(narrow)}, ${INVOCATIONS}>;
        var<workgroup> widePartial : array<${typeOf(wide)}, ${INVOCATIONS}>;
        var<workgroup> reduced : array<f32, ${WIDTH}>;
        var<workgroup> hidden : array<f32, ${WIDTH}>;
        ${activateWgsl(attrs.activation, 1)}`,
      body: `
        let image = i32(group);
        let own = i32(lane);
        for (var squeeze = 0; squeeze < uniforms.squeezes; squeeze++) {
          let row = (squeeze * uniforms.images + image) * uniforms.channels;
          for (var first = 0; first < uniforms.narrowUnits; first += uniforms.narrowShare) {
            let unit = first + own % uniforms.narrowShare;
            let part = own / uniforms.narrowShare;
            ${sumWgsl({
              partial: 'narrowPartial',
              lanes: narrow,
              term: 's[row + k] * reduce[k * uniforms.narrowUnits + unit]',
              terms: 'uniforms.channels',
              active: 'unit < uniforms.narrowUnits',
              parts: 'uniforms.narrowParts',
              distance: 'uniforms.narrowShare',
            })}
            if (part == 0 && unit < uniforms.narrowUnits) {
              ${narrow === 1 ? 'reduced[unit] = narrowPartial[lane];' : 'for (var i = 0; i < 4; i++) { reduced[4 * unit + i] = narrowPartial[lane][i]; }'}
            }
            workgroupBarrier();
          }
          ${has('reduceBias') ? 'for (var m = own; m < uniforms.width; m += 256) { reduced[m] += reduceBias[m]; } workgroupBarrier();' : ''}
          ${has('gamma') ? MOMENTS : ''}
          for (var m = own; m < uniforms.width; m += ${INVOCATIONS}) {
            hidden[m] += activate(${has('gamma') ? '(reduced[m] - mean) * inverse * gamma[m] + beta[m]' : 'reduced[m]'});
          }
          workgroupBarrier();
        }
        for (var first = 0; first < uniforms.wideUnits; first += uniforms.wideShare) {
          let unit = first + own % uniforms.wideShare;
          let part = own / uniforms.wideShare;
          ${sumWgsl({
            partial: 'widePartial',
            lanes: wide,
            term: 'hidden[k] * expand[k * uniforms.wideUnits + unit]',
            terms: 'uniforms.width',
            active: 'unit < uniforms.wideUnits',
            parts: 'uniforms.wideParts',
            distance: 'uniforms.wideShare',
          })}
          if (part == 0 && unit < uniforms.wideUnits) {
            result[image * uniforms.wideUnits + unit] = widePartial[lane]${has('expandBias') ? ' + f32(uniforms.squeezes) * expandBias[unit]' : ''};
          }
          workgroupBarrier();
        }`,
    },
    [s, reduce, expand, ...given.map(([, x]) => x)],
  );
}

// Of so few values that every invocation may sum them all.
const MOMENTS = `
  var mean = 0.0;
  for (var m = 0; m < uniforms.width; m++) { mean += reduced[m]; }
  mean /= f32(uniforms.width);
  var variance = 0.0;
  for (var m = 0; m < uniforms.width; m++) { variance += (reduced[m] - mean) * (reduced[m] - mean); }
  let inverse = inverseSqrt(variance / f32(uniforms.width) + uniforms.epsilon);`;
