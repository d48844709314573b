import type { Tensor } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { layerNorm as normalise } from '../normalisation.js';
import type { Weight, WeightScope } from '../weights.js';

/** Layer normalisation over the channels (Ba et al. 2016). */
export interface LayerNorm {
  /** `[…, C]` to the same shape */
  <T extends Tensor>(x: T): T;
  readonly gamma: Weight;
  readonly beta: Weight;
  readonly epsilon: number;
}

/** Declares a {@link LayerNorm} part, with the weights `gamma` and `beta`, each `[channels]`. */
export function layerNorm(weights: WeightScope, channels: number, { epsilon = 1e-5 } = {}): LayerNorm {
  const gamma = weights.add('gamma', [channels], initializers.ones());
  const beta = weights.add('beta', [channels], initializers.zeros());
  const apply = <T extends Tensor>(x: T): T => normalise(x, gamma.read(), beta.read(), epsilon);
  return Object.assign(apply, { gamma, beta, epsilon });
}
