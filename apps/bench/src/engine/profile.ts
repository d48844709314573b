import { getBackend, getKernel, profile, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { sizeOf } from '@saccade/core';
import { countDispatches, type Counted } from './dispatches.ts';

/** What one forward pass asks of the backend. */
export interface Work {
  /** Kernels run. Views, which move nothing, do not count. */
  readonly kernels: number;
  /** The compute shaders that these kernels run: on WebGPU alone, where a kernel may take several. */
  readonly dispatches?: number;
  /** What the kernels read and write, at 4 bytes a value; on WebGPU what their shaders do, so that what passes between those counts. */
  readonly bytesMoved: number;
}

const VIEWS = new Set(['Reshape', 'Identity', 'ExpandDims']);

/** Counts the kernels of one run of `f`. Its output is disposed. */
export async function workOf(f: () => Tensor): Promise<Work> {
  const runs: Counted<Tensor>[] = [];
  const { kernels } = await profile(() => {
    runs.push(countDispatches(() => tidy(f)));
    return runs[0].result;
  });
  const [{ result, dispatched }] = runs;
  result.dispose();
  // Custom gradients appear as entries of their own around the kernels that they run.
  const run = kernels.filter(({ name }) => getKernel(name, getBackend()) && !VIEWS.has(name));
  const values = run
    .flatMap(({ inputShapes, outputShapes }) => [...inputShapes, ...outputShapes])
    .reduce((sum, shape) => sum + (shape ? sizeOf(shape) : 0), 0);
  return {
    kernels: run.length,
    ...(dispatched ? { dispatches: dispatched.dispatches, bytesMoved: 4 * dispatched.values } : { bytesMoved: 4 * values }),
  };
}
