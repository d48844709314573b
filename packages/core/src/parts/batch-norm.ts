import { add, mul, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { activated, type Activation } from '../activations.js';
import {
  batchNormInference,
  batchNormTraining,
  foldBatchNorm,
  momentsOf,
  type ChannelAffine,
  type InferenceNorm,
  type Moments,
} from '../normalisation.js';
import { channelsOf } from '../shapes.js';
import type { Weight, WeightScope } from '../weights.js';
import type { Initializer } from './initializers.js';

/** Batch normalisation with moving statistics (Ioffe and Szegedy 2015), and the activation that follows it, if any. */
export interface BatchNorm {
  /**
   * `[…, C]` to the same shape. In training: the batch's statistics, and an update of the moving ones. A single value a channel has no variance
   * (PyTorch refuses it): it takes the moving statistics, and leaves them as they are.
   */
  <T extends Tensor>(x: T, training: boolean): T;
  /**
   * What it does before its activation, as a factor and an offset for each channel: at inference, or, given a batch's moments, in training, with an update of the moving
   * statistics. Gradients flow to these moments: it is for values that never exist as a whole.
   */
  folded(batch?: BatchMoments): ChannelAffine;
  /** What it does at inference, before its activation: for what does it in passing. */
  inference(): InferenceNorm;
  readonly gamma: Weight;
  readonly beta: Weight;
  readonly activation: Activation | undefined;
}

/** The moments of a batch, each over so many values. */
export interface BatchMoments extends Moments {
  readonly count: number;
}

export interface BatchNormOptions {
  /** Default: 1e-5. */
  readonly epsilon?: number;
  /** The weight of the newest batch, PyTorch's convention (Keras's momentum is 1 minus this). Default: 0.1. */
  readonly momentum?: number;
  /** Default: ones. */
  readonly gammaInitializer?: Initializer;
  /** What follows it, in the same pass where that can be. Default: none. */
  readonly activation?: Activation | undefined;
}

/**
 * Declares a {@link BatchNorm} part, with the weights `gamma`, `beta`, `movingMean` and `movingVariance`, each `[channels]`.
 * The moving variance follows PyTorch's rule: the unbiased variance of the batch.
 */
export function batchNorm(weights: WeightScope, channels: number, options: BatchNormOptions = {}): BatchNorm {
  const { epsilon = 1e-5, momentum = 0.1, gammaInitializer = initializers.ones(), activation } = options;
  const gamma = weights.add('gamma', [channels], gammaInitializer);
  const beta = weights.add('beta', [channels], initializers.zeros());
  const movingMean = weights.add('movingMean', [channels], initializers.zeros(), { trainable: false });
  const movingVariance = weights.add('movingVariance', [channels], initializers.ones(), { trainable: false });
  const inference = (): InferenceNorm => ({ gamma: gamma.read() as Tensor1D, beta: beta.read() as Tensor1D, ...moving(), epsilon });
  const moving = (): Moments => ({ mean: movingMean.read() as Tensor1D, variance: movingVariance.read() as Tensor1D });
  const follow = ({ mean, variance, count }: BatchMoments): void => {
    const step = (weight: Weight, batch: Tensor) => weight.write(add(mul(weight.read(), 1 - momentum), mul(batch, momentum)));
    step(movingMean, mean);
    step(movingVariance, mul(variance, count / (count - 1)));
  };
  const apply = <T extends Tensor>(x: T, training: boolean): T => {
    const count = x.size / channelsOf(x);
    if (!training || count === 1) return batchNormInference(x, moving(), gamma.read(), beta.read(), epsilon, activation);
    const moments = momentsOf(x);
    follow({ ...moments, count });
    return activated(batchNormTraining(x, moments, gamma.read(), beta.read(), epsilon), activation);
  };
  const folded = (batch?: BatchMoments): ChannelAffine => {
    const ofBatch = batch !== undefined && batch.count > 1;
    if (ofBatch) follow(batch);
    return foldBatchNorm(ofBatch ? batch : moving(), gamma.read(), beta.read(), epsilon);
  };
  return Object.assign(apply, { gamma, beta, activation, folded, inference });
}
