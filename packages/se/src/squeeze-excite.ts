/**
 * Squeeze-and-excitation.
 *
 * Hu, Shen, Sun. Squeeze-and-Excitation Networks. CVPR 2018. https://arxiv.org/abs/1709.01507
 *
 * Equals timm's `SEModule` and torchvision's `SqueezeExcitation`. The paper leaves the biases out, all released networks have them:
 * `useBias: false` is the paper's form.
 */
import {
  Block,
  GATES,
  globalAvgPool,
  option,
  reducedChannels,
  scale,
  type Activation,
  type BlockArgs,
  type Gate,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface SqueezeExciteOptions {
  /** Reduction ratio r: the bottleneck has C / r channels. Default: 16. */
  reduction?: number;
  /** Channels of the bottleneck, instead of a reduction. Default: null. */
  width?: number | null;
  /** Rounds C / r to the nearest multiple of this, which is also the least; 1 rounds down. timm uses 8. Default: 1. */
  divisor?: number;
  /** The least number of channels of the bottleneck. Default: 0, so that a reduction that leaves none is an error. */
  minChannels?: number;
  /** Whether both layers have a bias. Default: true. */
  useBias?: boolean;
  /** Between the two layers. Default: `relu`. */
  activation?: Activation;
  /** What makes the gate of the excitation. Default: `sigmoid`. */
  gate?: Gate;
}

/**
 * Scales each channel by a gate that a small bottleneck computes from the means of all channels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`.
 */
export class SqueezeExcite extends Block<SqueezeExciteOptions> {
  static override readonly className = 'SaccadeSqueezeExcite';
  static override readonly options: Schema<SqueezeExciteOptions> = {
    reduction: option.number(16),
    width: option.optional(option.integer(1)),
    divisor: option.integer(1),
    minChannels: option.integer(0, { min: 0 }),
    useBias: option.flag(true),
    activation: option.activation('relu'),
    gate: option.gate('sigmoid'),
  };

  private excitation!: parts.Bottleneck;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const width = this.options.width ?? reducedChannels(this.title, channels, this.options);
    const { activation, useBias } = this.options;
    // He et al.'s initialisation over the outputs, as in the networks that carry the block.
    const start = { reduce: parts.heFanOut(width), expand: parts.heFanOut(channels) };
    this.excitation = parts.bottleneck(weights, channels, width, { activation, useBias, ...start });
  }

  override forward(x: Tensor): Tensor {
    return scale(x, this.excite(x), { activation: this.options.gate }); // [N, H, W, C]
  }

  override maps(x: Tensor): { channel: Tensor } {
    return { channel: GATES[this.options.gate](this.excite(x)) };
  }

  override macs([images]: readonly number[]): number {
    return this.excitation.macs(images);
  }

  /** The gate's logits. */
  private excite(x: Tensor): Tensor {
    const s = globalAvgPool(x); // [N, C], equation 2
    return this.excitation(s); // [N, C], equation 3
  }
}

/** A {@link SqueezeExcite} layer. */
export function squeezeExcite(options?: BlockArgs<SqueezeExciteOptions>): SqueezeExcite {
  return new SqueezeExcite(options);
}
