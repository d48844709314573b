import {
  engine,
  getKernel,
  registerKernel,
  type DataType,
  type KernelConfig,
  type NamedAttrMap,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { BlockError } from '../../errors.js';

/** What our kernels use of the wasm backend. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly HEAPU8: Uint8Array;
    readonly _malloc: (bytes: number) => number;
    readonly _free: (at: number) => void;
    readonly tfjs: { disposeData(id: number): void };
    cwrap(name: string, returns: null, types: string[]): unknown;
  };
  readonly dataIdMap: { get(dataId: object): { id: number; memoryOffset: number }; delete(dataId: object): void };
  makeOutput(shape: number[], dtype: DataType, memoryOffset?: number): TensorInfo;
}

export const FLOAT_BYTES = 4;

/** A kernel of our own, under a name of its own, registered when it is first called. Inputs that there may be none of are undefined. */
export function wasmKernel<I extends object, A extends object = object>(
  kernelName: string,
  run: (inputs: { [K in keyof I]: TensorInfo | Extract<I[K], undefined> }, backend: WasmBackend, attrs: A) => TensorInfo,
): (inputs: I, attrs?: A) => Tensor {
  const kernelFunc = (({ inputs, backend, attrs }) => run(inputs as never, backend as never, attrs as never)) as KernelConfig['kernelFunc'];
  return (inputs, attrs) => {
    if (!getKernel(kernelName, 'wasm')) registerKernel({ kernelName, backendName: 'wasm', kernelFunc });
    return engine().runKernel(kernelName, inputs as Record<string, Tensor>, attrs as NamedAttrMap | undefined);
  };
}

/** Works with so many bytes of the backend's memory, from the address that `work` is given, and frees them. */
export function withScratch<T>(backend: WasmBackend, bytes: number, operation: string, work: (at: number) => T): T {
  const { _malloc: allocate, _free: free } = backend.wasm; // Emscripten's names
  const at = allocate(bytes);
  if (at === 0)
    throw new BlockError(`${operation}: the wasm backend has no ${bytes} bytes left. Give smaller maps, fewer at a time, or dispose tensors.`);
  try {
    return work(at);
  } finally {
    free(at);
  }
}

/** Where a tensor lies in the backend's memory. */
export function addressOf(backend: WasmBackend, x: TensorInfo): number {
  return backend.dataIdMap.get(x.dataId).memoryOffset;
}
