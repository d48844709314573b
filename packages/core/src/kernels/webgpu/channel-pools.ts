import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { ChannelPoolsAttributes, ChannelPoolsInputs } from '../channel-pools.js';
import type { Form, Inputs } from '../kernel.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { lanesOf } from './contraction.js';
import { gateWgsl } from './scale-gates.js';

const INVOCATIONS = 64;
// The most that share a position: together they read 256 bytes.
const WIDTH = 16;

/** The kernel on WebGPU, one dispatch: some invocations of a workgroup share a position. */
export const webgpuChannelPools: Form<WebGPUBackend, ChannelPoolsInputs, ChannelPoolsAttributes> = { run };

function run(backend: WebGPUBackend, { x, gate }: Inputs<ChannelPoolsInputs>, { kinds, shape, activation }: ChannelPoolsAttributes): TensorInfo {
  const channels = x.shape[x.shape.length - 1];
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const positions = sizeOf(x.shape) / channels;
  const width = widthOf(units);
  const [means, tops] = [kinds.indexOf('avg'), kinds.indexOf('max')];
  return dispatch(
    backend,
    {
      key: `pool channels ${kinds.join(' ')} ${lanes} ${gate ? (activation ?? 'gate') : ''}`,
      reads: { x: lanes, ...(gate && { gate: lanes }) },
      integers: { positions, perImage: positions / x.shape[0], units, width },
      floats: { factor: 1 / channels },
      invocations: INVOCATIONS,
      workgroups: Math.ceil(positions / (INVOCATIONS / width)),
      shape,
      declarations: `
        var<workgroup> sums : array<f32, ${INVOCATIONS}>;
        var<workgroup> tops : array<f32, ${INVOCATIONS}>;
        ${gateWgsl('open', lanes, activation)}`,
      body: `
        let across = i32(lane) % uniforms.width;
        let position = i32(group) * (${INVOCATIONS} / uniforms.width) + i32(lane) / uniforms.width;
        let base = min(position, uniforms.positions - 1) * uniforms.units;
        ${gate ? 'let gates = min(position, uniforms.positions - 1) / uniforms.perImage * uniforms.units;' : ''}
        // Those that share a position are no more than its elements.
        var sum = x[base + across]${gate ? ' * open(gate[gates + across])' : ''};
        var top = sum;
        for (var unit = across + uniforms.width; unit < uniforms.units; unit += uniforms.width) {
          let value = x[base + unit]${gate ? ' * open(gate[gates + unit])' : ''};
          sum += value;
          top = max(top, value);
        }
        sums[lane] = ${lanes === 4 ? 'sum.x + sum.y + (sum.z + sum.w)' : 'sum'};
        tops[lane] = ${lanes === 4 ? 'max(max(top.x, top.y), max(top.z, top.w))' : 'top'};
        workgroupBarrier();
        for (var half = uniforms.width / 2; half > 0; half /= 2) {
          if (across < half) {
            sums[lane] += sums[i32(lane) + half];
            tops[lane] = max(tops[lane], tops[i32(lane) + half]);
          }
          workgroupBarrier();
        }
        if (across == 0 && position < uniforms.positions) {
          ${means < 0 ? '' : `result[position + ${means} * uniforms.positions] = sums[lane] * uniforms.factor;`}
          ${tops < 0 ? '' : `result[position + ${tops} * uniforms.positions] = tops[lane];`}
        }`,
    },
    [x, ...(gate ? [gate] : [])],
  );
}

/** The largest power of two that is not above the elements of a position. */
function widthOf(units: number): number {
  return Math.min(WIDTH, 2 ** Math.floor(Math.log2(units)));
}
