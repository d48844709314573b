import { backend, getBackend, type DataType, type TensorInfo } from '@tensorflow/tfjs-core';
import { BlockError } from '../../errors.js';

/** What our kernels use of the wasm backend. */
export interface WasmBackend {
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly _malloc: (bytes: number) => number;
    readonly _free: (at: number) => void;
  };
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
}

export const FLOAT_BYTES = 4;

/** A program of our own that works in the backend's memory. */
export interface Program<P> {
  /**
   * Whether it can run: on the wasm backend with one thread, where WebAssembly has relaxed SIMD. With several threads XNNPACK, which takes
   * them all, is the faster way.
   */
  canRun(): boolean;
  /** The program's functions, in the memory of a backend that it can run on. */
  on(backend: WasmBackend): P;
}

/** @param code the program, base64 */
export function program<P>(code: string): Program<P> {
  const instances = new WeakMap<WasmBackend, P | null>();
  const instanceOn = (backend: WasmBackend): P | null => {
    if (!instances.has(backend)) instances.set(backend, instantiate(code, backend.wasm.asm?.memory) as P | null);
    return instances.get(backend)!;
  };
  return {
    canRun: () => getBackend() === 'wasm' && instanceOn(backend() as unknown as WasmBackend) !== null,
    on: (backend) => instanceOn(backend)!,
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

function instantiate(code: string, memory: WebAssembly.Memory | undefined): WebAssembly.Exports | null {
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory?.buffer instanceof SharedArrayBuffer;
  const binary = Uint8Array.from(atob(code), (character) => character.codePointAt(0)!);
  if (!memory || shared || !WebAssembly.validate(binary)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } }).exports;
}
