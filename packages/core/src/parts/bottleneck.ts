import { sum, tidy, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { ACTIVATIONS, type Activation } from '../activations.js';
import { fusedExcite } from '../kernels/excite.js';
import type { WeightScope } from '../weights.js';
import { dense, type DenseOptions } from './dense.js';
import { heNormal } from './initializers.js';
import { layerNorm } from './layer-norm.js';

/** Two linear maps with a narrow layer between them: the excitation of SE, the transform of GC. */
export interface Bottleneck {
  /** `[…, channels]` to the same shape */
  <T extends Tensor>(x: T): T;
  /** `[squeezes, N, channels]` to `[N, channels]`: the sum of what it makes of several squeezes of each image. */
  summed(squeezes: Tensor3D): Tensor2D;
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
  const normalise = norm === 'layer' ? layerNorm(weights.at('norm'), width) : null;
  const expand = dense(weights.at('expand'), width, channels, { useBias, ...options.expand });
  const composed = <T extends Tensor>(x: T): T => {
    const reduced = reduce(x);
    return expand(ACTIVATIONS[activation](normalise ? normalise(reduced) : reduced));
  };
  const fused = (s: Tensor, summed: boolean): Tensor | undefined => {
    const inputs = {
      s,
      reduce: reduce.kernel.read(),
      reduceBias: reduce.bias?.read(),
      gamma: normalise?.gamma.read(),
      beta: normalise?.beta.read(),
      expand: expand.kernel.read(),
      expandBias: expand.bias?.read(),
    };
    return fusedExcite(inputs, { activation, epsilon: normalise?.epsilon ?? 0, summed });
  };
  const apply = <T extends Tensor>(x: T): T => (fused(x, false) as T | undefined) ?? composed(x);
  const summed = (squeezes: Tensor3D): Tensor2D => (fused(squeezes, true) as Tensor2D | undefined) ?? tidy(() => sum(composed(squeezes), 0));
  return Object.assign(apply, { summed, macs: (positions = 1) => reduce.macs(positions) + expand.macs(positions) });
}

/** How He et al. start a linear map to `units`: its kernel keeps the variance of gradients, its bias is zero. */
export function heFanOut(units: number): DenseStart {
  return { kernelInitializer: heNormal(units), biasInitializer: initializers.zeros() };
}
