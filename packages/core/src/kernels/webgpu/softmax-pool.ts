import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { SoftmaxPoolInputs } from '../softmax-pool.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf, type Lanes } from './contraction.js';
import { ENTRIES, joinWgsl, powerOfTwo, rowSharesOf, sharedWgsl } from './pool-rows.js';

// Positions that a workgroup takes: few, so that there are many workgroups, and what they read is in the cache when they read it again.
const CHUNK = 32;
// Invocations that share the score of a position.
const SHARE = 8;

/**
 * The kernel on WebGPU, two dispatches. The first makes of each chunk of positions the sum that exp(score − the chunk's highest) weights, and behind
 * it, as one more element, that highest score and the total of the weights. The second joins them.
 */
export const webgpuSoftmaxPool: Form<WebGPUBackend, SoftmaxPoolInputs> = { run };

function run(backend: WebGPUBackend, { x, kernel }: Inputs<SoftmaxPoolInputs>): TensorInfo {
  const [images] = x.shape;
  const channels = x.shape[x.shape.length - 1];
  const lanes = lanesOf(channels);
  const chunks = sumChunks(backend, x, kernel, images, channels, lanes);
  const pooled = joinChunks(backend, chunks, images, channels, lanes);
  backend.disposeData(chunks.dataId);
  return pooled;
}

function sumChunks(backend: WebGPUBackend, x: TensorInfo, kernel: TensorInfo, images: number, channels: number, lanes: Lanes): TensorInfo {
  const [element, units] = [typeOf(lanes), channels / lanes];
  const positions = sizeOf(x.shape) / images / channels;
  const chunks = Math.ceil(positions / CHUNK);
  // All of a workgroup lie side by side where there are so many elements; else what some have must be joined.
  const width = units < INVOCATIONS ? Math.min(ENTRIES, powerOfTwo(units)) : INVOCATIONS;
  return dispatch(
    backend,
    {
      key: `softmax pool chunks ${lanes}`,
      reads: { x: lanes, kernel: lanes },
      writes: lanes,
      integers: { positions, chunks, units, width },
      invocations: INVOCATIONS,
      workgroups: images * chunks,
      shape: [images, chunks, channels + extraOf(lanes)],
      declarations: `
        ${sharedWgsl('parts', lanes)}
        var<workgroup> scores : array<f32, ${INVOCATIONS}>;
        var<workgroup> weights : array<f32, ${CHUNK}>;`,
      body: `
        let first = i32(group) % uniforms.chunks * ${CHUNK};
        let count = min(${CHUNK}, uniforms.positions - first);
        let base = (i32(group) / uniforms.chunks * uniforms.positions + first) * uniforms.units;

        let row = i32(lane) / ${SHARE};
        let own = base + min(row, count - 1) * uniforms.units;
        var product = ${element}();
        for (var unit = i32(lane) % ${SHARE}; unit < uniforms.units; unit += ${SHARE}) { product += x[own + unit] * kernel[unit]; }
        scores[lane] = ${lanes === 4 ? 'dot(product, vec4<f32>(1.0))' : 'product'};
        workgroupBarrier();
        if (lane < ${CHUNK}) {
          var score = scores[lane * ${SHARE}];
          for (var i = 1u; i < ${SHARE}; i++) { score += scores[lane * ${SHARE} + i]; }
          weights[lane] = score;
        }
        workgroupBarrier();
        var highest = weights[0];
        for (var i = 1; i < count; i++) { highest = max(highest, weights[i]); }
        workgroupBarrier();
        if (lane < ${CHUNK}) { weights[lane] = select(0.0, exp(weights[lane] - highest), i32(lane) < count); }
        workgroupBarrier();

        let across = i32(lane) % uniforms.width;
        let to = i32(group) * (uniforms.units + ${extraOf(lanes) / lanes});
        for (var block = 0; block < uniforms.units; block += uniforms.width) {
          let unit = block + across;
          var sum = ${element}();
          if (unit < uniforms.units) {
            for (var i = i32(lane) / uniforms.width; i < count; i += ${INVOCATIONS} / uniforms.width) {
              sum += x[base + i * uniforms.units + unit] * weights[i];
            }
          }
          ${joinWgsl('uniforms.width', 'parts[at] = sum;', 'sum += parts[at];')}
          if (i32(lane) < uniforms.width && unit < uniforms.units) { result[to + unit] = sum; }
        }
        if (lane == 0u) {
          var total = 0.0;
          for (var i = 0; i < count; i++) { total += weights[i]; }
          ${
            lanes === 4
              ? 'result[to + uniforms.units] = vec4<f32>(highest, total, 0.0, 0.0);'
              : 'result[to + uniforms.units] = highest;\nresult[to + uniforms.units + 1] = total;'
          }
        }`,
    },
    [x, kernel],
  );
}

function joinChunks(backend: WebGPUBackend, x: TensorInfo, images: number, channels: number, lanes: Lanes): TensorInfo {
  const [element, units] = [typeOf(lanes), channels / lanes];
  const chunks = x.shape[1];
  const { width, blocks } = rowSharesOf(images, chunks, units, lanes);
  const [highest, total] = lanes === 4 ? ['x[at].x', 'x[at].y'] : ['x[at]', 'x[at + 1]'];
  return dispatch(
    backend,
    {
      key: `softmax pool ${lanes}`,
      reads: { x: lanes },
      writes: lanes,
      integers: { chunks, units, width, blocks },
      invocations: INVOCATIONS,
      workgroups: images * blocks,
      shape: [images, channels],
      declarations: `${sharedWgsl('sums', lanes)}\n${sharedWgsl('values', 1)}`,
      body: `
        let stride = uniforms.units + ${extraOf(lanes) / lanes};
        let base = i32(group) / uniforms.blocks * uniforms.chunks * stride;
        let unit = i32(group) % uniforms.blocks * uniforms.width + i32(lane) % uniforms.width;

        var top = 0.0;
        {
          let at = base + min(i32(lane), uniforms.chunks - 1) * stride + uniforms.units;
          top = ${highest};
        }
        for (var chunk = i32(lane) + ${INVOCATIONS}; chunk < uniforms.chunks; chunk += ${INVOCATIONS}) {
          let at = base + chunk * stride + uniforms.units;
          top = max(top, ${highest});
        }
        ${joinWgsl('1', 'values[at] = top;', 'top = max(top, values[at]);')}
        if (lane == 0u) { values[0] = top; }
        workgroupBarrier();
        let peak = values[0];
        workgroupBarrier();

        var sum = ${element}();
        var all = 0.0;
        for (var chunk = i32(lane) / uniforms.width; chunk < uniforms.chunks; chunk += ${INVOCATIONS} / uniforms.width) {
          let at = base + chunk * stride + uniforms.units;
          let fade = exp(${highest} - peak);
          sum += x[base + chunk * stride + min(unit, uniforms.units - 1)] * fade;
          all += ${total} * fade;
        }
        ${joinWgsl('uniforms.width', 'sums[at] = sum; values[at] = all;', 'sum += sums[at]; all += values[at];')}
        if (i32(lane) < uniforms.width && unit < uniforms.units) {
          result[i32(group) / uniforms.blocks * uniforms.units + unit] = sum / all;
        }`,
    },
    [x],
  );
}

/** Values behind each sum. */
function extraOf(lanes: Lanes): number {
  return lanes === 4 ? 4 : 2;
}
