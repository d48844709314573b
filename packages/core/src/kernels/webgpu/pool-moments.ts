import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Form, Inputs } from '../kernel.js';
import type { PoolInputs, PoolView } from '../pool.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf, type Lanes } from './contraction.js';
import { joinWgsl, rowSharesOf, sharedWgsl, type RowShares } from './pool-rows.js';

/**
 * The kernel on WebGPU: each invocation follows the mean of its rows and the sum of squares about it (Welford 1962), and these are joined two by two
 * (Chan et al. 1979), which is as good where means are large as it is elsewhere.
 */
export const webgpuMoments: Form<WebGPUBackend, PoolInputs, PoolView> = { run };

function run(backend: WebGPUBackend, { x }: Inputs<PoolInputs>, view: PoolView): TensorInfo {
  const { images, rows, columns, shape } = view;
  const lanes = lanesOf(columns);
  const shares = rowSharesOf(images, rows, columns / lanes, lanes);
  if (shares.parts === 1) return moments(backend, x, view, lanes, shares, undefined);
  const parts = moments(backend, x, { ...view, shape: [2, images, shares.parts, columns] }, lanes, shares, undefined);
  const { width, blocks } = rowSharesOf(images, shares.parts, columns / lanes, lanes);
  const all = { width, blocks, part: shares.parts, parts: 1 };
  const joined = moments(backend, parts, { images, rows: shares.parts, columns, shape }, lanes, all, { rows, part: shares.part });
  backend.disposeData(parts.dataId);
  return joined;
}

/** @param of the rows that x holds the moments of, so many a part, or nothing where x holds the rows */
function moments(
  backend: WebGPUBackend,
  x: TensorInfo,
  { images, rows, columns, shape }: PoolView,
  lanes: Lanes,
  { width, blocks, part, parts }: RowShares,
  of: { rows: number; part: number } | undefined,
): TensorInfo {
  const [element, units] = [typeOf(lanes), columns / lanes];
  return dispatch(
    backend,
    {
      key: `pool moments ${lanes} ${of !== undefined}`,
      reads: { x: lanes },
      writes: lanes,
      integers: { images, rows, units, width, blocks, part, parts, counted: of?.rows ?? rows, countedPart: of?.part ?? 1 },
      // Those of parts are squares yet.
      floats: { factor: parts > 1 ? 1 : 1 / (of?.rows ?? rows) },
      invocations: INVOCATIONS,
      workgroups: images * parts * blocks,
      shape,
      declarations: `
        ${sharedWgsl('means', lanes)}
        ${sharedWgsl('squares', lanes)}
        ${sharedWgsl('counts', 1)}
        struct Moments { mean : ${element}, square : ${element}, count : f32 }
        fn join(a : Moments, b : Moments) -> Moments {
          let count = a.count + b.count;
          let share = b.count / max(count, 1.0);
          let distance = b.mean - a.mean;
          return Moments(a.mean + distance * share, a.square + b.square + distance * distance * (a.count * share), count);
        }`,
      body: `
        let across = i32(lane) % uniforms.width;
        let unit = i32(group) % uniforms.blocks * uniforms.width + across;
        let number = i32(group) / uniforms.blocks;
        let first = number % uniforms.parts * uniforms.part;
        let end = min(first + uniforms.part, uniforms.rows);
        let base = number / uniforms.parts * uniforms.rows * uniforms.units + min(unit, uniforms.units - 1);
        let plane = uniforms.images * uniforms.rows * uniforms.units;
        let own = first + i32(lane) / uniforms.width;
        // What has no row starts from some value, too, which counts for nothing.
        var all = Moments(x[base + min(own, end - 1) * uniforms.units], ${element}(), 0.0);
        for (var row = own; row < end; row += ${INVOCATIONS} / uniforms.width) {
          let i = base + row * uniforms.units;
          ${
            of
              ? 'let count = min(uniforms.countedPart, uniforms.counted - row * uniforms.countedPart);\nall = join(all, Moments(x[i], x[i + plane], f32(count)));'
              : `all = join(all, Moments(x[i], ${element}(), 1.0));`
          }
        }
        ${joinWgsl(
          'uniforms.width',
          'means[at] = all.mean; squares[at] = all.square; counts[at] = all.count;',
          'all = join(all, Moments(means[at], squares[at], counts[at]));',
        )}
        if (i32(lane) < uniforms.width && unit < uniforms.units) {
          let to = number * uniforms.units + unit;
          result[to] = all.mean;
          result[to + uniforms.images * uniforms.parts * uniforms.units] = all.square * uniforms.factor;
        }`,
    },
    [x],
  );
}
