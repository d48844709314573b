import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmGram, wasmGramGradient } from './wasm/gram.js';

/** The tensors of a Gram matrix. */
export interface GramInputs {
  /** `[N, P, C]` */
  readonly x: Tensor3D;
  /** `[N, C]`, or none: taken from each position. */
  readonly mean: Tensor | undefined;
}

/** What there is to know beside them. */
export interface GramAttrs {
  /** What the products are multiplied by. */
  readonly factor: number;
}

/** What its gradient is made of. */
export interface GramGradientInputs {
  /** `[N, P, C]`, less the mean */
  readonly x: Tensor3D;
  /** `[N, C, C]` */
  readonly dy: Tensor;
}

/** factor · Σ (x − mean)(x − mean)ᵀ over the positions, `[N, C, C]`. */
export const fusedGram = ownKernel<GramInputs, GramAttrs>('SaccadeGram', { wasm: wasmGram });

/** factor · x·(dy + dyᵀ), `[N, P, C]`. */
export const fusedGramGradient = ownKernel<GramGradientInputs, GramAttrs>('SaccadeGramGradient', { wasm: wasmGramGradient });
