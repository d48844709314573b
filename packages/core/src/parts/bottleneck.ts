import type { Tensor } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { ACTIVATIONS, type Activation } from '../activations.js';
import type { WeightScope } from '../weights.js';
import { dense, type DenseOptions } from './dense.js';
import { heNormal } from './initializers.js';
import { layerNorm } from './layer-norm.js';

/** Two linear maps with a narrow layer between them: the excitation of SE, the transform of GC. */
export interface Bottleneck {
  /** `[…, channels]` to the same shape */
  <T extends Tensor>(x: T): T;
  /** Multiply-adds over so many positions. */
  macs(positions?: number): number;
}

export interface BottleneckOptions {
  /** Default: `relu`. */
  readonly activation?: Activation;
  /** What stands before the activation. Default: `none`. */
  readonly norm?: 'none' | 'layer';
  /** Whether both maps have a bias. Default: true. */
  readonly useBias?: boolean;
  /** How the map to the narrow layer starts. Default: as {@link dense}. */
  readonly reduce?: DenseStart;
  /** How the map from the narrow layer starts. Default: as {@link dense}. */
  readonly expand?: DenseStart;
}

/** How a linear map starts. */
export type DenseStart = Pick<DenseOptions, 'kernelInitializer' | 'biasInitializer'>;

/** Declares a {@link Bottleneck} part of `width` channels, with the parts `reduce`, `norm` where there is one, and `expand`. */
export function bottleneck(weights: WeightScope, channels: number, width: number, options: BottleneckOptions = {}): Bottleneck {
  const { activation = 'relu', norm = 'none', useBias = true } = options;
  const reduce = dense(weights.at('reduce'), channels, width, { useBias, ...options.reduce });
  const normalise = norm === 'layer' ? layerNorm(weights.at('norm'), width) : <T extends Tensor>(x: T) => x;
  const expand = dense(weights.at('expand'), width, channels, { useBias, ...options.expand });
  const apply = <T extends Tensor>(x: T): T => expand(ACTIVATIONS[activation](normalise(reduce(x))));
  return Object.assign(apply, { macs: (positions = 1) => reduce.macs(positions) + expand.macs(positions) });
}

/** How He et al. start a linear map to `units`: its kernel keeps the variance of gradients, its bias is zero. */
export function heFanOut(units: number): DenseStart {
  return { kernelInitializer: heNormal(units), biasInitializer: initializers.zeros() };
}
