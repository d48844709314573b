import type { Tensor } from '@tensorflow/tfjs-core';
import type { Gate } from '../activations.js';
import { ownKernel } from './kernel.js';
import { webgpuScaleByStrips } from './webgpu/scale-strips.js';

/** A map and the gates of its strips. */
export interface StripsInputs {
  /** `[N, H, W, C]` */
  readonly x: Tensor;
  /** `[N, H + W, C]` */
  readonly strips: Tensor;
}

export interface StripsRule {
  /** What makes the gates of their logits. Default: they are the gates. */
  readonly activation?: Gate | undefined;
}

/** x · the gate of its row · the gate of its column, in one pass. On wasm slices cost little, and a kernel less is less to load. */
export const fusedScaleByStrips = ownKernel<StripsInputs, StripsRule>('SaccadeScaleByStrips', { webgpu: webgpuScaleByStrips });
