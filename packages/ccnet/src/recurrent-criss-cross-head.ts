/**
 * The segmentation head of CCNet: recurrent criss-cross attention on reduced features, beside the features themselves.
 *
 * Huang, Wang, Huang, Huang, Wei, Liu. CCNet: Criss-Cross Attention for Semantic Segmentation. ICCV 2019. https://arxiv.org/abs/1811.11721
 *
 * Equals the authors' `RCCAModule`, with batch norm and a leaky ReLU in place of its InPlaceABN, which scales by |gamma| + 1e-5 where batch
 * norm scales by gamma.
 */
import {
  ACTIVATIONS,
  Block,
  channelDropout,
  option,
  reducedChannels,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { crissCrossAttention, type CrissCrossAttention, type CrissCrossAttentionOptions } from './criss-cross-attention.js';

export interface RecurrentCrissCrossHeadOptions extends CrissCrossAttentionOptions {
  /** Channels of the logits. Default: 19, the classes of Cityscapes. */
  classes?: number;
  /** Channels of the attention. Default: null, a quarter of the input's. */
  width?: number | null;
  /** Channels of the features that the logits are read from. Default: 512. */
  outChannels?: number;
  /** Rate at which channels of these features are dropped in training. Default: 0.1. */
  dropout?: number;
}

/**
 * Turns a backbone's last features into class logits, of the same height and width.
 *
 * Input: `[N, H, W, C]`, output: `[N, H, W, classes]`. Attention maps: those of {@link CrissCrossAttention}.
 */
export class RecurrentCrissCrossHead extends Block<RecurrentCrissCrossHeadOptions> {
  static override readonly className = 'SaccadeRecurrentCrissCrossHead';
  static override readonly options: Schema<RecurrentCrissCrossHeadOptions> = {
    classes: option.integer(19),
    width: option.optional(option.integer(1)),
    outChannels: option.integer(512),
    recurrence: option.integer(2),
    reduction: option.number(8),
    keyChannels: option.optional(option.integer(1)),
    dropout: option.dropoutRate(0.1),
  };

  private reduce!: parts.ConvBatchNorm;
  private attention!: CrissCrossAttention;
  private refine!: parts.ConvBatchNorm;
  private fuse!: parts.ConvBatchNorm;
  private classify!: parts.Dense;
  private width!: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { classes, outChannels, recurrence, reduction, keyChannels } = this.options;
    this.width = this.options.width ?? reducedChannels(this.title, channels, { reduction: 4 });
    this.reduce = convNormRelu(weights.at('reduce'), channels, this.width);
    this.attention = crissCrossAttention({ recurrence, reduction, keyChannels });
    this.attention.define(weights.at('attention'), [...inputShape.slice(0, -1), this.width]);
    this.refine = convNormRelu(weights.at('refine'), this.width, this.width);
    this.fuse = convNormRelu(weights.at('fuse'), channels + this.width, outChannels);
    this.classify = parts.dense(weights.at('classify'), outChannels, classes);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const context = this.attention.forward(this.reduce(x, training)); // [N, H, W, width]
    const refined = this.refine(context, training);
    const fused = this.fuse(concat([x, refined], 3), training); // [N, H, W, outChannels]
    const { dropout } = this.options;
    return this.classify(training && dropout > 0 ? channelDropout(fused, dropout) : fused);
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    return this.attention.maps(this.reduce(x, false), queries);
  }

  override macs([batch, height, width]: readonly number[]): number {
    const positions = batch * height * width;
    const layers = [this.reduce, this.refine, this.fuse, this.classify].reduce((sum, layer) => sum + layer.macs(positions), 0);
    return layers + this.attention.macs([batch, height, width, this.width]);
  }

  protected override outputShapeFor(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.options.classes];
  }
}

/** A 3×3 convolution, batch norm and a leaky ReLU. */
function convNormRelu(weights: WeightScope, inputs: number, filters: number): parts.ConvBatchNorm {
  const convNorm = parts.convBatchNorm(weights, inputs, filters, { kernelSize: 3 });
  const apply = (x: Tensor4D, training: boolean) => ACTIVATIONS.leakyRelu(convNorm(x, training));
  return Object.assign(apply, { macs: (positions: number) => convNorm.macs(positions) });
}

/** A {@link RecurrentCrissCrossHead} layer. */
export function recurrentCrissCrossHead(options?: BlockArgs<RecurrentCrissCrossHeadOptions>): RecurrentCrissCrossHead {
  return new RecurrentCrissCrossHead(options);
}
