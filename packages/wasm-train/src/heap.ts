import { getKernel, util, type DataType, type NamedAttrMap, type TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * The backend's memory as floats. It is gone as soon as the memory grows, so take it after the last allocation.
 *
 * @param tensor any tensor of the backend
 */
export function heapOf(backend: BackendWasm, tensor: TensorInfo): Float32Array {
  return new Float32Array(backend.typedArrayFromHeap(tensor).buffer);
}

/** The position in {@link heapOf} at which a tensor begins. */
export function startOf(backend: BackendWasm, tensor: TensorInfo): number {
  return backend.typedArrayFromHeap(tensor).byteOffset / 4;
}

/** A tensor of zeros. */
export function zeros(backend: BackendWasm, shape: number[], dtype: DataType = 'float32'): TensorInfo {
  const tensor = backend.makeOutput(shape, dtype);
  backend.typedArrayFromHeap(tensor).fill(0);
  return tensor;
}

/** Frees intermediate tensors. */
export function free(backend: BackendWasm, ...tensors: TensorInfo[]): void {
  for (const { dataId } of tensors) backend.disposeData(dataId);
}

/** Runs one of the backend's kernels. */
export function run(kernelName: string, backend: BackendWasm, inputs: Record<string, TensorInfo>, attrs: object): TensorInfo {
  return getKernel(kernelName, 'wasm').kernelFunc({ inputs, backend, attrs: attrs as NamedAttrMap }) as TensorInfo;
}

/** `a · b` of `[M, K]` and `[K, N]`, the pair that the backend multiplies fast. It packs `b` once per tensor. */
export function product(backend: BackendWasm, a: TensorInfo, b: TensorInfo): TensorInfo {
  return run('BatchMatMul', backend, { a, b }, { transposeA: false, transposeB: false });
}

/** The same values in another shape. */
export function reshaped(tensor: TensorInfo, shape: number[]): TensorInfo {
  return { ...tensor, shape };
}

export const sizeOf = util.sizeFromShape;
