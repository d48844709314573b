import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';

/** What our kernels use of the WebGPU backend. */
export interface WebGPUBackend {
  runWebGPUProgram(
    program: object,
    inputs: TensorInfo[],
    outputDtype: DataType,
    uniforms?: { type: string; data: number[] }[],
    output?: TensorInfo,
  ): TensorInfo;
  disposeData(dataId: object): void;
}

/** A compute shader of our own. */
export interface Shader {
  /** Names the shader, with all that changes its code: compiled shaders are kept by it. */
  readonly key: string;
  /** The storage buffers that are read, in the order of the inputs, each with how many values an element of it has. */
  readonly reads: Readonly<Record<string, 1 | 2 | 4>>;
  /** How many values an element of `result`, the storage buffer that is written, has. Default: 1. */
  readonly writes?: 1 | 2 | 4;
  /** What the code reads as `uniforms.NAME`, i32. */
  readonly integers?: Readonly<Record<string, number>>;
  /** What the code reads as `uniforms.NAME`, f32. */
  readonly floats?: Readonly<Record<string, number>>;
  /** Invocations of a workgroup, at most 256. */
  readonly invocations: number;
  readonly workgroups: number;
  /** Where there are more workgroups than these, they are dispatched so many at a time. Default: all at once. */
  readonly mostWorkgroups?: number;
  /** The shape of the result. */
  readonly shape: number[];
  /** WGSL: workgroup variables, constants and functions. */
  readonly declarations?: string;
  /**
   * WGSL: the statements of each invocation. They read `group`, the number of its workgroup, and `lane`, its own within it, both u32. Past the
   * limit of workgroups along an axis some do the last one's work again.
   */
  readonly body: string;
}

/**
 * Runs a shader. The result is the backend's: dispose what is not returned.
 *
 * @param into what another shader made in this one's shape, of which this one keeps what it does not write. Its code may read it, too, as `result`.
 */
export function dispatch(backend: WebGPUBackend, shader: Shader, inputs: readonly TensorInfo[], into?: TensorInfo): TensorInfo {
  const { workgroups, mostWorkgroups = workgroups } = shader;
  let result = dispatchSome(backend, shader, 0, Math.min(workgroups, mostWorkgroups), inputs, into);
  for (let first = mostWorkgroups; first < workgroups; first += mostWorkgroups) {
    result = dispatchSome(backend, shader, first, Math.min(mostWorkgroups, workgroups - first), inputs, result);
  }
  return result;
}

function dispatchSome(
  backend: WebGPUBackend,
  shader: Shader,
  firstWorkgroup: number,
  workgroups: number,
  inputs: readonly TensorInfo[],
  into: TensorInfo | undefined,
): TensorInfo {
  const { key, reads, writes = 1, invocations, shape, declarations = '', body } = shader;
  const integers = Object.entries({ firstWorkgroup, workgroups, ...shader.integers });
  const floats = Object.entries(shader.floats ?? {});
  const program = {
    shaderKey: `saccade_${key}`,
    variableNames: Object.keys(reads),
    variableComponents: Object.values(reads),
    outputComponent: writes,
    outputShape: [sizeOf(shape)],
    uniforms: [...integers.map(([name]) => `${name} : i32,`), ...floats.map(([name]) => `${name} : f32,`)].join(' '),
    workgroupSize: [invocations, 1, 1],
    // Along one axis, which the backend folds where it is too long.
    dispatchLayout: { x: [0] },
    dispatch: [workgroups, 1, 1],
    getUserCode: () => `
      ${declarations}
      fn main(index : i32) {
        let group = u32(uniforms.firstWorkgroup) + min(u32(index) / ${invocations}u, u32(uniforms.workgroups) - 1u);
        let lane = localIndex;
        ${body}
      }`,
  };
  const uniforms = [
    ...integers.map(([, value]) => ({ type: 'int32', data: [value] })),
    ...floats.map(([, value]) => ({ type: 'float32', data: [value] })),
  ];
  // Flat, whatever their rank: the backend has no rank above 6, and would compile a shader for each.
  const flat = (x: TensorInfo): TensorInfo => ({ ...x, shape: [sizeOf(x.shape)] });
  return { ...backend.runWebGPUProgram(program, inputs.map(flat), 'float32', uniforms, into && flat(into)), shape };
}
