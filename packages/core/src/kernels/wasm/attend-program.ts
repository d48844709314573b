import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendInputs } from '../attend.js';
import type { Inputs } from '../kernel.js';
import { ATTEND } from './attend-binary.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { programOf } from './program.js';

/** attend.as */
interface Attend {
  readonly layOut: (at: number, group: number, m: number, d: number, e: number, planeHeight: number, planeWidth: number, gradient: boolean) => number;
  readonly takeKeys: (k: number, v: number) => void;
  readonly takeKeysForGradient: (k: number, v: number) => void;
  readonly attend: (q: number, n: number, bias: number, biasStride: number, rowBias: number, out: number, peaks: number) => void;
  readonly attendGradient: (
    q: number,
    n: number,
    bias: number,
    biasStride: number,
    rowBias: number,
    y: number,
    peaks: number,
    dy: number,
    dq: number,
    dBias: number,
    dRowBias: number,
  ) => void;
  readonly giveKeys: (dk: number, dv: number) => void;
}

// Queries a call: few enough to stay in the outer cache while all keys and values pass by, and for V8, which cannot exchange the code of
// a call that runs, to soon run what it optimised.
const GROUP = 256;

export const attendProgram = programOf<Attend>(ATTEND);

/** Works with the program, its scratch memory laid out for these inputs. */
export function withAttend<T>(
  backend: WasmBackend,
  { q, k, v, bias, rowBias }: Inputs<AttendInputs>,
  gradient: boolean,
  work: (program: Attend) => T,
): T {
  const program = attendProgram.on(backend);
  const [height, width] = rowBias && bias ? [rowBias.shape[2], bias.shape[2]] : [0, 0];
  const layOut = (at: number) => program.layOut(at, Math.min(q.shape[1], GROUP), k.shape[1], k.shape[2], v.shape[2], height, width, gradient);
  return withScratch(backend, layOut(0), 'attend', (scratch) => {
    layOut(scratch);
    return work(program);
  });
}

/** The groups of a tensor's rows, `[B, N, …]`: calls `work` with where each begins and how many rows it has. */
export function byGroups(count: number, work: (from: number, count: number) => void): void {
  for (let from = 0; from < count; from += GROUP) work(from, Math.min(GROUP, count - from));
}

/** Where a row of an image begins in what is `[B or 1, N or 1, C]` and lies at `address`. */
export function rowAddress([images, rows, channels]: number[], address: number, image: number, row: number): number {
  return address + ((images > 1 ? image * rows : 0) + (rows > 1 ? row : 0)) * channels * FLOAT_BYTES;
}

/** {@link rowAddress} of a tensor of the backend's, or 0 where there is none. */
export function rowOf(backend: WasmBackend, x: TensorInfo | undefined, image: number, row: number): number {
  return x ? rowAddress(x.shape, addressOf(backend, x), image, row) : 0;
}

/** Bytes from one query's bias to the next's. */
export function strideOf(bias: TensorInfo | undefined): number {
  return bias && bias.shape[1] > 1 ? bias.shape[2] * FLOAT_BYTES : 0;
}
