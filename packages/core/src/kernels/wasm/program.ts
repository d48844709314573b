import { isKnown, type WasmBackend } from './backend.js';
import { exponentialIn } from './exponential.js';
import { inPlainSimd } from './plain-simd.js';

/** A program of our own that works in the backend's memory. */
export interface Program<P> {
  /**
   * Whether it can run on a backend: on one with one thread, where WebAssembly has SIMD. With several threads XNNPACK, which takes them all, is
   * the faster way.
   */
  readonly canRun: (backend: WasmBackend) => boolean;
  /** The program's functions, in the memory of a backend that it can run on. */
  readonly on: (backend: WasmBackend) => P;
}

/**
 * @param code the program, hex
 * @param needs the programs whose functions it calls, by the names that it has for them
 */
export function programOf<P>(code: string, needs: Readonly<Record<string, Program<object>>> = {}): Program<P> {
  const instances = new WeakMap<WasmBackend, P | null>();
  const instanceOn = (backend: WasmBackend): P | null => {
    if (!instances.has(backend)) instances.set(backend, instantiate(code, needs, backend) as P | null);
    return instances.get(backend)!;
  };
  return {
    canRun: (backend) => instanceOn(backend) !== null,
    on: (backend) => instanceOn(backend)!,
  };
}

function instantiate(code: string, needs: Readonly<Record<string, Program<object>>>, backend: WasmBackend): WebAssembly.Exports | null {
  const memory = memoryOf(backend);
  if (typeof memory === 'string') return without(memory);
  const relaxed = bytesOf(code);
  const binary = WebAssembly.validate(relaxed) ? relaxed : inPlainSimd(relaxed);
  if (!WebAssembly.validate(binary)) return without('this engine has no SIMD for WebAssembly');
  const env = { memory, storeExponential: exponentialIn(memory) };
  const needed = Object.entries(needs).map(([name, program]) => [name, program.on(backend) as WebAssembly.ModuleImports]);
  return new WebAssembly.Instance(new WebAssembly.Module(binary), { env, ...Object.fromEntries(needed) }).exports;
}

/** The backend's memory, or why our programs cannot work in it. */
function memoryOf(backend: WasmBackend): WebAssembly.Memory | string {
  if (!isKnown(backend)) return 'this wasm backend is not built as that of TensorFlow.js 4.22 is';
  const memory = backend.wasm.asm!.memory!;
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  return shared ? 'the wasm backend runs threads' : memory;
}

const said = new Set<string>();

function without(reason: string): null {
  if (!said.has(reason)) console.debug(`@saccade/core: without kernels of its own, since ${reason}.`);
  said.add(reason);
  return null;
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}
