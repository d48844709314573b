import {
  backend,
  engine,
  getBackend,
  getKernel,
  registerKernel,
  type DataType,
  type KernelConfig,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { BlockError } from '../../errors.js';
import { ATTEND } from './attend-binary.js';

/** What the kernel uses of the wasm backend. */
interface WasmBackend {
  readonly wasm: {
    readonly asm?: { readonly memory?: WebAssembly.Memory };
    readonly _malloc: (bytes: number) => number;
    readonly _free: (at: number) => void;
  };
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
}

/** attend.as, working in the backend's memory. */
interface Program {
  readonly scratchBytes: (n: number, e: number) => number;
  readonly packKeys: (k: number, m: number, d: number, to: number) => void;
  readonly packValues: (v: number, m: number, e: number, to: number) => void;
  readonly attend: (
    q: number,
    n: number,
    d: number,
    keys: number,
    m: number,
    values: number,
    e: number,
    bias: number,
    biasStride: number,
    out: number,
    scratch: number,
  ) => void;
}

type Inputs = Record<'q' | 'k' | 'v', TensorInfo> & { bias?: TensorInfo };

const KERNEL = 'SaccadeAttend';
const FLOAT_BYTES = 4;
const LANES = 8;
// Queries a call: few enough to stay in the outer cache while all keys and values pass by, and for V8, which cannot exchange the code of
// a call that runs, to soon run what it optimised.
const GROUP = 256;

/**
 * Whether {@link fusedAttend} can run: on the wasm backend with one thread, where WebAssembly has relaxed SIMD. With several threads
 * XNNPACK, which takes them all, is the faster way.
 */
export function canFuse(): boolean {
  return getBackend() === 'wasm' && programOf(backend() as unknown as WasmBackend) !== null;
}

/**
 * softmax(q·kᵀ + bias)·v in one pass, whose scores never leave the cache.
 *
 * @param q `[B, N, D]`
 * @param k `[B, M, D]`
 * @param v `[B, M, E]`
 * @param bias `[B or 1, N or 1, M]`, or none
 * @returns `[B, N, E]`
 */
export function fusedAttend(q: Tensor, k: Tensor, v: Tensor, bias?: Tensor): Tensor {
  if (!getKernel(KERNEL, 'wasm')) {
    registerKernel({ kernelName: KERNEL, backendName: 'wasm', kernelFunc: kernel as unknown as KernelConfig['kernelFunc'] });
  }
  return engine().runKernel(KERNEL, bias ? { q, k, v, bias } : { q, k, v });
}

function kernel({ inputs: { q, k, v, bias }, backend }: { inputs: Inputs; backend: WasmBackend }): TensorInfo {
  const { scratchBytes, packKeys, packValues, attend } = programOf(backend)!;
  const { _malloc: allocate, _free: free } = backend.wasm; // Emscripten's names
  const [batch, n, d] = q.shape;
  const [, m, e] = v.shape;
  const image = (x: TensorInfo, i: number) =>
    backend.dataIdMap.get(x.dataId).memoryOffset + (x.shape[0] > 1 ? i * x.shape[1] * x.shape[2] * FLOAT_BYTES : 0);
  const [keyBytes, valueBytes] = [padded(m) * d * FLOAT_BYTES, padded(e) * m * FLOAT_BYTES];
  const bytes = keyBytes + valueBytes + scratchBytes(Math.min(n, GROUP), e);
  const keys = allocate(bytes);
  if (keys === 0)
    throw new BlockError(`attend: the wasm backend has no ${bytes} bytes left. Give smaller maps, fewer at a time, or dispose tensors.`);
  const out = backend.makeOutput([batch, n, e], 'float32');
  const [values, scratch] = [keys + keyBytes, keys + keyBytes + valueBytes];
  const biasStride = bias && bias.shape[1] > 1 ? m * FLOAT_BYTES : 0;
  for (let i = 0; i < batch; i++) {
    packKeys(image(k, i), m, d, keys);
    packValues(image(v, i), m, e, values);
    for (let from = 0; from < n; from += GROUP) {
      const queries = image(q, i) + from * d * FLOAT_BYTES;
      const results = image(out, i) + from * e * FLOAT_BYTES;
      attend(queries, Math.min(GROUP, n - from), d, keys, m, values, e, bias ? image(bias, i) + from * biasStride : 0, biasStride, results, scratch);
    }
  }
  free(keys);
  return out;
}

function padded(count: number): number {
  return Math.ceil(count / LANES) * LANES;
}

const programs = new WeakMap<WasmBackend, Program | null>();

function programOf(backend: WasmBackend): Program | null {
  let program = programs.get(backend);
  if (program === undefined) {
    program = instantiate(backend.wasm.asm?.memory);
    programs.set(backend, program);
  }
  return program;
}

function instantiate(memory: WebAssembly.Memory | undefined): Program | null {
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory?.buffer instanceof SharedArrayBuffer;
  const binary = Uint8Array.from(atob(ATTEND), (character) => character.codePointAt(0)!);
  if (!memory || shared || !WebAssembly.validate(binary)) return null;
  return new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } }).exports as unknown as Program;
}
