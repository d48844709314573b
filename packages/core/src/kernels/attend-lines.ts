import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmAttendLines } from './wasm/attend-lines.js';

/** The tensors of attention along lines of a map that knows of distances. D is the channels of a head's queries and keys, E of its values. */
export interface AttendLinesInputs {
  /** `[N, H, W, heads·D]` */
  readonly q: Tensor4D;
  /** `[N, H, W, heads·D]` */
  readonly k: Tensor4D;
  /** `[N, H, W, heads·E]` */
  readonly v: Tensor4D;
  /** What a query looks for at a key's distance from it, −(L − 1) to L − 1, `[2·L − 1, D]`. */
  readonly query: Tensor2D;
  /** What a key looks for at a query's distance from it, `[2·L − 1, D]`. */
  readonly key: Tensor2D;
  /** What each head retrieves at a value's distance, `[2·L − 1, heads, E]`. */
  readonly value: Tensor3D;
  /** What the products of queries and keys are multiplied by, then those with `query`, then those with `key`, for each head, `[3·heads]`. */
  readonly factors: Tensor1D;
  /** What the values are multiplied by, `[heads·E]`. */
  readonly valueFactors: Tensor1D;
}

export interface AttendLinesAttrs {
  /** The axis of the map that the lines lie along. */
  readonly axis: 1 | 2;
}

/** Each position's sum, over those of its line, of the attention times what is there and what there is at its distance, `[N, H, W, heads·E]`. */
export const fusedAttendLines = ownKernel<AttendLinesInputs, AttendLinesAttrs>('SaccadeAttendLines', { wasm: wasmAttendLines });
