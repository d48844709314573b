import { concat, tidy, type Tensor3D } from '@tensorflow/tfjs-core';
import { fusedSplitLinear } from '../kernels/linear.js';
import { slice } from '../slice.js';
import type { Dense } from './dense.js';

/** Two linear maps of the channels of two parts of a sequence. */
export interface SplitDense {
  /** `[N, P, inputs]` to `[N, P, units]`: the positions before `at` by the first, those from `at` on by the second */
  (x: Tensor3D, at: number): Tensor3D;
  /** Multiply-adds over so many positions. */
  macs(before: number, from: number): number;
}

/**
 * Two parts, declared elsewhere under names of their own, as one that maps a sequence `[N, P, inputs]` to `[N, P, units]`: its positions before `at` by
 * the first, those from `at` on by the second, in a single pass at inference where that can be.
 */
export function splitDense(first: Dense, second: Dense): SplitDense {
  const fused = (x: Tensor3D, at: number): Tensor3D | undefined => {
    const kernels = { kernel: first.kernel.read(), second: second.kernel.read() };
    return fusedSplitLinear({ x, ...kernels, bias: first.bias?.read(), secondBias: second.bias?.read() }, { at }) as Tensor3D | undefined;
  };
  const composed = (x: Tensor3D, at: number): Tensor3D =>
    tidy(() => {
      const [images, positions, inputs] = x.shape;
      const part = (from: number, end: number) => slice(x, [0, from, 0], [images, end - from, inputs]);
      return concat([first(part(0, at)), second(part(at, positions))], 1);
    });
  const apply = (x: Tensor3D, at: number): Tensor3D => fused(x, at) ?? composed(x, at);
  return Object.assign(apply, { macs: (before: number, from: number) => first.macs(before) + second.macs(from) });
}
