import { backend, getBackend } from '@tensorflow/tfjs-core';
import type { WasmBackend } from './backend.js';

/** A program of our own that works in the backend's memory. */
export interface Program<P> {
  /**
   * Whether it can run: on the wasm backend with one thread, where WebAssembly has relaxed SIMD. With several threads XNNPACK, which takes
   * them all, is the faster way.
   */
  readonly canRun: () => boolean;
  /** The program's functions, in the memory of a backend that it can run on. */
  readonly on: (backend: WasmBackend) => P;
}

/** @param code the program, hex */
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

function instantiate(code: string, memory: WebAssembly.Memory | undefined): WebAssembly.Exports | null {
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory?.buffer instanceof SharedArrayBuffer;
  const binary = Uint8Array.from(code.match(/../g)!, (byte) => parseInt(byte, 16));
  if (!memory || shared || !WebAssembly.validate(binary)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } }).exports;
}
