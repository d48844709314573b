import type { Tensor } from '@tensorflow/tfjs-core';
import type { Activation } from '../activations.js';
import { sizeOf } from '../shapes.js';
import { ownKernel, type Inputs } from './kernel.js';
import { wasmExcite } from './wasm/excite.js';
import { webgpuExcite } from './webgpu/excite.js';

/** The tensors of an excitation. */
export interface ExciteInputs {
  /** `[…, C]`, or, where they are summed, `[squeezes, …, C]` */
  readonly s: Tensor;
  /** `[C, M]` */
  readonly reduce: Tensor;
  /** `[M]`, or none */
  readonly reduceBias: Tensor | undefined;
  /** `[M]`: those of the layer normalisation, or none of both */
  readonly gamma: Tensor | undefined;
  readonly beta: Tensor | undefined;
  /** `[M, C']` */
  readonly expand: Tensor;
  /** `[C']`, or none */
  readonly expandBias: Tensor | undefined;
}

/** What there is to know of an excitation beside its tensors. */
export interface ExciteAttrs {
  readonly activation: Activation;
  /** Of the layer normalisation. */
  readonly epsilon: number;
  /** Whether the results of several squeezes are summed. */
  readonly summed: boolean;
}

/** How many squeezes of how many images there are, and the shape of what is made of them. */
export function exciteSizes({ s, expand }: Pick<Inputs<ExciteInputs>, 's' | 'expand'>, { summed }: ExciteAttrs) {
  const squeezes = summed ? s.shape[0] : 1;
  const channels = s.shape.at(-1)!;
  const [width, units] = expand.shape;
  return { squeezes, images: sizeOf(s.shape) / squeezes / channels, channels, width, units, shape: [...s.shape.slice(summed ? 1 : 0, -1), units] };
}

/** expand(activation(norm(reduce(s)))) of a few rows, `[…, C']`, in one pass whose narrow layer never leaves the cache. */
export const fusedExcite = ownKernel<ExciteInputs, ExciteAttrs>('SaccadeExcite', { wasm: wasmExcite, webgpu: webgpuExcite });
