/**
 * Efficient channel attention.
 *
 * Wang, Wu, Zhu, Li, Zuo, Hu. ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks. CVPR 2020. https://arxiv.org/abs/1910.03151
 *
 * Equals `eca_layer` of the official code, github.com/BangguWu/ECANet, and timm's `EcaModule`. The paper derives the kernel's size from the
 * number of channels, the default here. The official layer takes it by hand, 3 unless told, and its networks have other sizes than the rule
 * gives: `kernelSize`. timm follows the rule, but never goes below 3: `minKernelSize`.
 */
import {
  adaptiveKernelSize,
  Block,
  GATES,
  globalAvgPool,
  option,
  scale,
  type BlockArgs,
  type Gate,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface EfficientChannelAttentionOptions {
  /** Length of the kernel, odd; null: the odd number next to |log₂(C)/γ + b/γ|, equation 12. Default: null. */
  kernelSize?: number | null;
  /** γ of that rule: the larger, the shorter the kernel. Default: 2. */
  gamma?: number;
  /** b of that rule. Default: 1. */
  b?: number;
  /** The least length that the rule may give, odd. timm has 3. Default: 1, no bound. */
  minKernelSize?: number;
  /** What makes the gate of the convolution's result. Default: `sigmoid`. */
  gate?: Gate;
}

/**
 * Scales each channel by a gate that a short convolution along the channels computes from the means of its neighbours.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`.
 */
export class EfficientChannelAttention extends Block<EfficientChannelAttentionOptions> {
  static override readonly className = 'SaccadeEfficientChannelAttention';
  static override readonly options: Schema<EfficientChannelAttentionOptions> = {
    kernelSize: option.optional(option.oddInteger(3)),
    gamma: option.number(2),
    b: { default: 1, expected: 'a finite number', accepts: Number.isFinite },
    minKernelSize: option.oddInteger(1),
    gate: option.gate('sigmoid'),
  };

  private conv!: parts.ChannelConv;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { kernelSize, gamma, b, minKernelSize: min } = this.options;
    this.conv = parts.channelConv(weights.at('conv'), { kernelSize: kernelSize ?? adaptiveKernelSize(inputShape.at(-1)!, { gamma, b, min }) });
  }

  override forward(x: Tensor): Tensor {
    return scale(x, this.excite(x), { activation: this.options.gate }); // [N, H, W, C]
  }

  override maps(x: Tensor): { channel: Tensor } {
    return { channel: GATES[this.options.gate](this.excite(x)) };
  }

  override macs([images, , , channels]: readonly number[]): number {
    return images * this.conv.macs(channels);
  }

  /** The gate's logits. */
  private excite(x: Tensor): Tensor {
    return this.conv(globalAvgPool(x)); // [N, C], equation 9
  }
}

/** An {@link EfficientChannelAttention} layer. */
export function efficientChannelAttention(options?: BlockArgs<EfficientChannelAttentionOptions>): EfficientChannelAttention {
  return new EfficientChannelAttention(options);
}
