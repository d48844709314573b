import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
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

const PARTS = ['wasm._malloc', 'wasm._free', 'wasm.cwrap', 'wasm.tfjs', 'wasm.HEAPU8', 'wasm.asm.memory', 'dataIdMap.get', 'makeOutput'];

/** Whether a wasm backend has what we use of it. It is not documented, and another version may not. */
export function isKnown(backend: WasmBackend): boolean {
  const at = (path: string) => path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], backend);
  return PARTS.every((path) => at(path) !== undefined);
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
