import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Form, Inputs } from '../kernel.js';
import { kernelSteps, type PlanesAttrs, type PlanesInputs } from '../planes.js';
import { dispatch, type WebGPUBackend } from './backend.js';

const INVOCATIONS = 256;
// What a workgroup sees of a plane fits into the 16 kB that every device has for it.
const MEMORY = 4096;

/** The kernel on WebGPU: a workgroup for each tile of a plane. */
export const webgpuPlanes: Form<WebGPUBackend, PlanesInputs, PlanesAttrs> = {
  fits: (_, attrs) => {
    const { seenRows, seenColumns } = tileOf(attrs);
    return seenRows * seenColumns <= MEMORY;
  },
  run,
};

function run(backend: WebGPUBackend, { planes, kernel, ...norm }: Inputs<PlanesInputs>, attrs: PlanesAttrs): TensorInfo {
  const { images, height, width, from, rows, kernelHeight, kernelWidth, epsilon, shape } = attrs;
  const { down, across } = kernelSteps(attrs);
  const tile = tileOf(attrs);
  const given = Object.entries(norm).filter(([, x]) => x !== undefined) as [string, TensorInfo][];
  const has = (name: string) => given.some(([given]) => given === name);
  const [tilesDown, tilesAcross] = [Math.ceil(rows / tile.rows), Math.ceil(width / tile.columns)];
  return dispatch(
    backend,
    {
      key: `planes ${kernelHeight} ${kernelWidth} ${given.map(([name]) => name).join(' ')}`,
      reads: { planes: 1, kernel: 1, ...Object.fromEntries(given.map(([name]) => [name, 1 as const])) },
      integers: { planeCount: attrs.planes, images, size: height * width, start: from * width, rows, width, tilesDown, tilesAcross, down, across },
      floats: { epsilon },
      invocations: INVOCATIONS,
      workgroups: images * tilesDown * tilesAcross,
      shape,
      declarations: `var<workgroup> seen : array<f32, ${tile.seenRows * tile.seenColumns}>;`,
      body: `
        let firstColumn = i32(group) % uniforms.tilesAcross * ${tile.columns};
        let line = i32(group) / uniforms.tilesAcross;
        let firstRow = line % uniforms.tilesDown * ${tile.rows};
        let image = line / uniforms.tilesDown;
        let row = i32(lane) / ${tile.columns};
        let column = i32(lane) % ${tile.columns};
        var sum = 0.0;
        for (var plane = 0; plane < uniforms.planeCount; plane++) {
          let start = (plane * uniforms.images + image) * uniforms.size + uniforms.start;
          for (var i = i32(lane); i < ${tile.seenRows * tile.seenColumns}; i += ${INVOCATIONS}) {
            let y = firstRow + i / ${tile.seenColumns} - ${(kernelHeight - 1) / 2};
            let x = firstColumn + i % ${tile.seenColumns} - ${(kernelWidth - 1) / 2};
            var value = 0.0;
            if (y >= 0 && y < uniforms.rows && x >= 0 && x < uniforms.width) { value = planes[start + y * uniforms.width + x]; }
            seen[i] = value;
          }
          workgroupBarrier();
          for (var y = 0; y < ${kernelHeight}; y++) {
            for (var x = 0; x < ${kernelWidth}; x++) {
              sum += seen[(row + y) * ${tile.seenColumns} + column + x] * kernel[y * uniforms.down + x * uniforms.across + plane];
            }
          }
          workgroupBarrier();
        }
        ${has('gamma') ? 'sum = (sum - mean[0]) * gamma[0] * inverseSqrt(variance[0] + uniforms.epsilon);' : ''}
        ${has('beta') ? 'sum += beta[0];' : ''}
        if (firstRow + row < uniforms.rows && firstColumn + column < uniforms.width) {
          result[(image * uniforms.rows + firstRow + row) * uniforms.width + firstColumn + column] = sum;
        }`,
    },
    [planes, kernel, ...given.map(([, x]) => x)],
  );
}

// Of one row where the kernel has one.
function tileOf({ kernelHeight, kernelWidth }: PlanesAttrs) {
  const rows = kernelHeight === 1 ? 1 : 16;
  const columns = INVOCATIONS / rows;
  return { rows, columns, seenRows: rows + kernelHeight - 1, seenColumns: columns + kernelWidth - 1 };
}
