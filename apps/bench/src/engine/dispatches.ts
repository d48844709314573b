import { backend, getBackend, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '@saccade/core';

/** What the WebGPU backend was asked to compute. */
export interface Dispatched {
  /** Compute shaders run. */
  readonly dispatches: number;
  /** The values that they read and write: each input and each output once a shader. */
  readonly values: number;
}

/** What we use of the WebGPU backend: all of its shaders, and ours, run through this. */
interface ShaderRunner {
  runWebGPUProgram(program: object, inputs: TensorInfo[], ...rest: unknown[]): TensorInfo;
}

/** What some work gave, and the compute shaders that it ran; null on all backends but WebGPU. */
export interface Counted<T> {
  readonly result: T;
  readonly dispatched: Dispatched | null;
}

/** Does `work`, and counts the compute shaders that it runs. */
export function countDispatches<T>(work: () => T): Counted<T> {
  if (getBackend() !== 'webgpu') return { result: work(), dispatched: null };
  const runner = backend() as unknown as ShaderRunner;
  const original = runner.runWebGPUProgram.bind(runner);
  let [dispatches, values] = [0, 0];
  runner.runWebGPUProgram = (program, inputs, ...rest) => {
    const output = original(program, inputs, ...rest);
    const written = sizeOf(output.shape);
    // The backend runs nothing where there is nothing to write.
    if (written > 0) {
      dispatches++;
      values += inputs.reduce((sum, { shape }) => sum + sizeOf(shape), written);
    }
    return output;
  };
  try {
    return { result: work(), dispatched: { dispatches, values } };
  } finally {
    // What hid the method of the class.
    Reflect.deleteProperty(runner, 'runWebGPUProgram');
  }
}
