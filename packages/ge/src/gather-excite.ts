/**
 * Gather-excite.
 *
 * Hu, Shen, Albanie, Sun, Vedaldi. Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks. NeurIPS 2018.
 * https://arxiv.org/abs/1810.12348
 *
 * The global extent equals the official networks (github.com/hujie-frank/GENet, Caffe: RN50-GEPF is θ⁻, GEP θ, GEPP θ+), the local extents equal
 * timm's `GatherExcite`. Between θ+'s gather and its excitation the official networks have a ReLU, timm has none: by default each form is as its
 * source, and `reluAfterGather` chooses. timm's own global θ is not the paper's, since its kernel slides over a padded map. In training the
 * moving statistics follow with momentum 0.1 as in timm; Caffe's follow with 0.05.
 */
import {
  Block,
  GATES,
  option,
  reducedChannels,
  scaleNearest,
  type BlockArgs,
  type Gate,
  type Option,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { relu, reshape, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { averages, halvings, wholeMap, type Extent, type Gather } from './gather.js';

/** θ⁻ has no parameters, θ learns to gather, θ+ learns to gather and to excite. */
export type GatherExciteVariant = 'thetaMinus' | 'theta' | 'thetaPlus';

export interface GatherExciteOptions {
  /** What is learned: `thetaMinus` nothing, `theta` the gathering, `thetaPlus` the excitation too. Default: `thetaMinus`. */
  variant?: GatherExciteVariant;
  /** The extent ratio e: 2, 4, 8 or another power of 2, or `global`, the whole map. Default: `global`. */
  extent?: Extent;
  /** Reduction ratio r of θ+: the bottleneck of its excitation has C / r channels, rounded down. Default: 16. */
  reduction?: number;
  /** Channels of that bottleneck, instead of a reduction. Default: null. */
  width?: number | null;
  /** Whether θ+ has a ReLU between gather and excitation. Default: null, which is `true` for the global extent and `false` for others. */
  reluAfterGather?: boolean | null;
  /** What makes the gate of the context. Default: `sigmoid`. */
  gate?: Gate;
}

const EXTENT: Option<Extent> = {
  default: 'global',
  expected: '"global" or a power of 2 from 2 on',
  accepts: (v) => v === 'global' || (typeof v === 'number' && v >= 2 && Number.isInteger(Math.log2(v))),
};

/**
 * Scales each value of a map by a gate of its channel's context, gathered from the e×e pixels around or from the whole map.
 *
 * Input and output: `[N, H, W, C]`; θ and θ+ of the global extent are built for one height and width. Attention maps: `channel` `[N, C]` for the
 * global extent, else `gate` `[N, ⌈H/e⌉, ⌈W/e⌉, C]`, which each pixel has its nearest value of.
 */
export class GatherExcite extends Block<GatherExciteOptions> {
  static override readonly className = 'SaccadeGatherExcite';
  static override readonly options: Schema<GatherExciteOptions> = {
    variant: option.oneOf(['thetaMinus', 'theta', 'thetaPlus'], 'thetaMinus'),
    extent: EXTENT,
    reduction: option.number(16),
    width: option.optional(option.integer(1)),
    reluAfterGather: option.optional(option.flag(true)),
    gate: option.gate('sigmoid'),
  };

  private gather!: Gather;
  private excitation!: parts.Bottleneck | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { variant, extent } = this.options;
    const [, height, width, channels] = inputShape as number[];
    if (variant === 'thetaMinus') this.gather = averages(extent);
    else if (extent !== 'global') this.gather = halvings(weights.at('gather'), channels, extent);
    else this.gather = wholeMap(weights.at('gather'), [height, width, channels]);
    this.excitation = variant === 'thetaPlus' ? this.bottleneck(weights.at('excite'), channels) : null;
  }

  override forward(x: Tensor, training: boolean): Tensor {
    return scaleNearest(x as Tensor4D, this.excite(x as Tensor4D, training), this.options.gate); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    const gate = GATES[this.options.gate](this.excite(x as Tensor4D, false));
    return this.options.extent === 'global' ? { channel: reshape(gate, [x.shape[0], -1]) } : { gate };
  }

  override macs(inputShape: readonly number[]): number {
    const { extent } = this.options;
    const [images, height, width] = inputShape;
    const contexts = extent === 'global' ? 1 : Math.ceil(height / extent) * Math.ceil(width / extent);
    return this.gather.macs(inputShape) + (this.excitation?.macs(images * contexts) ?? 0);
  }

  protected override get sizeTie(): string | null {
    const { variant, extent } = this.options;
    return variant !== 'thetaMinus' && extent === 'global' ? 'its kernel is as large as the map' : null;
  }

  /** The gate's logits. */
  private excite(x: Tensor4D, training: boolean): Tensor4D {
    const { extent, reluAfterGather } = this.options;
    const gathered = this.gather(x, training); // [N, h, w, C]
    if (!this.excitation) return gathered;
    const context = (reluAfterGather ?? extent === 'global') ? relu(gathered) : gathered;
    return this.excitation(context); // [N, h, w, C]
  }

  private bottleneck(weights: WeightScope, channels: number): parts.Bottleneck {
    const width = this.options.width ?? reducedChannels(this.title, channels, this.options);
    const start = { kernelInitializer: initializers.randomNormal({ mean: 0, stddev: 0.01 }), biasInitializer: initializers.zeros() };
    return parts.bottleneck(weights, channels, width, { reduce: start, expand: start });
  }
}

/** A {@link GatherExcite} layer. */
export function gatherExcite(options?: BlockArgs<GatherExciteOptions>): GatherExcite {
  return new GatherExcite(options);
}
