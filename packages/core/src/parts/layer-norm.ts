import type { Tensor } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { layerNorm as normalise } from '../normalisation.js';
import type { WeightScope } from '../weights.js';

/** Layer normalisation over the channels (Ba et al. 2016): `[…, C]` to the same shape. */
export type LayerNorm = <T extends Tensor>(x: T) => T;

/** Declares a {@link LayerNorm} part, with the weights `gamma` and `beta`, each `[channels]`. */
export function layerNorm(weights: WeightScope, channels: number, { epsilon = 1e-5 } = {}): LayerNorm {
  const gamma = weights.add('gamma', [channels], initializers.ones());
  const beta = weights.add('beta', [channels], initializers.zeros());
  return (x) => normalise(x, gamma.read(), beta.read(), epsilon);
}
