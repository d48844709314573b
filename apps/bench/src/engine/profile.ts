import { getBackend, getKernel, profile, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { sizeOf } from '@saccade/core';

/** What one forward pass asks of the backend. */
export interface Work {
  /** Kernels run. Views, which move nothing, do not count. */
  readonly kernels: number;
  /** What the kernels read and write, at 4 bytes a value. */
  readonly bytesMoved: number;
}

const VIEWS = new Set(['Reshape', 'Identity', 'ExpandDims']);

/** Counts the kernels of one run of `f`. Its output is disposed. */
export async function workOf(f: () => Tensor): Promise<Work> {
  const outputs: Tensor[] = [];
  const { kernels } = await profile(() => {
    outputs.push(tidy(f));
    return outputs[0];
  });
  outputs[0].dispose();
  // Custom gradients appear as entries of their own around the kernels that they run.
  const run = kernels.filter(({ name }) => getKernel(name, getBackend()) && !VIEWS.has(name));
  const values = run
    .flatMap(({ inputShapes, outputShapes }) => [...inputShapes, ...outputShapes])
    .reduce((sum, shape) => sum + (shape ? sizeOf(shape) : 0), 0);
  return { kernels: run.length, bytesMoved: 4 * values };
}
