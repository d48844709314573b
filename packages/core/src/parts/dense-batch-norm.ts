import { tidy, type Tensor } from '@tensorflow/tfjs-core';
import { fusedLinear } from '../kernels/linear.js';
import type { BatchNorm } from './batch-norm.js';
import type { Dense } from './dense.js';

/** A linear map of the channels and batch normalisation of its output, with the activation that follows, if any. */
export interface DenseBatchNorm {
  /** `[…, inputs]` to `[…, units]` */
  <T extends Tensor>(x: T, training: boolean): T;
  /** Multiply-adds over so many positions. */
  macs(positions?: number): number;
}

/** Two parts, declared elsewhere under names of their own, as one that takes them in a single pass at inference where that can be. */
export function denseBatchNorm(dense: Dense, norm: BatchNorm): DenseBatchNorm {
  const fused = (x: Tensor): Tensor | undefined => {
    const { epsilon, ...moments } = norm.inference();
    return fusedLinear({ x, kernel: dense.kernel.read(), bias: dense.bias?.read(), ...moments }, { epsilon, activation: norm.activation });
  };
  const apply = <T extends Tensor>(x: T, training: boolean): T => {
    const y = training ? undefined : fused(x);
    return (y as T | undefined) ?? tidy(() => norm(dense(x), training));
  };
  return Object.assign(apply, { macs: (positions = 1) => dense.macs(positions) });
}
