import { linear, type Weight, type WeightScope } from '@saccade/core';
import type * as parts from '@saccade/core/parts';
import { div, tidy, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { iteratePower } from './singular-value.js';

/** A linear map of the channels without bias, whose kernel is divided by its largest singular value. */
export interface SpectralDense {
  /**
   * `[…, inputs]` to `[…, units]`
   *
   * @param store whether the next call's power iteration goes on from this one's
   */
  <T extends Tensor>(x: T, store: boolean): T;
  /** Multiply-adds over so many positions, without those of the power iteration, which looks at no input. */
  macs: parts.Dense['macs'];
}

/** Declares a {@link SpectralDense} part, with the weights `kernel` and, never trained, `u`: what the power iteration starts from. */
export function spectralDense(weights: WeightScope, inputs: number, units: number, iterations: number): SpectralDense {
  const kernel = weights.add('kernel', [inputs, units], initializers.glorotUniform({}), { layout: 'dense' });
  const u: Weight = weights.add('u', [units, 1], initializers.truncatedNormal({ mean: 0, stddev: 1 }), { trainable: false });
  const apply = <T extends Tensor>(x: T, store: boolean): T =>
    tidy(() => {
      const matrix = kernel.read() as Tensor2D;
      const { sigma, ...vectors } = iteratePower(matrix, u.read() as Tensor2D, iterations);
      if (store) u.write(vectors.u);
      return linear(x, div(matrix, sigma));
    });
  return Object.assign(apply, { macs: (positions = 1) => positions * inputs * units });
}
