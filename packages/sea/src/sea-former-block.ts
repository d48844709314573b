/**
 * The transformer block of SeaFormer: squeeze-enhanced axial attention, and a convolutional feed-forward network.
 *
 * Wan, Huang, Lu, Yu, Zhang. SeaFormer: Squeeze-enhanced Axial Transformer for Mobile Semantic Segmentation. ICLR 2023.
 * https://arxiv.org/abs/2301.13156
 *
 * Equals `Block` of the official code, github.com/fudan-zvg/SeaFormer, without the dropout that all its networks leave at 0. Its activation is a
 * ReLU by the class's default, and a ReLU6, ours, in all networks. There is no normalisation before either branch.
 */
import { ACTIVATIONS, Block, BlockError, option, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, dropout, type Tensor4D } from '@tensorflow/tfjs-core';
import { SqueezeAxialAttention, type SqueezeAxialAttentionOptions } from './squeeze-axial-attention.js';

export interface SeaFormerBlockOptions extends SqueezeAxialAttentionOptions {
  /** The feed-forward network has this many times the channels of the input, rounded down. Default: 4. */
  mlpRatio?: number;
  /** Rate at which either branch is left out in training, image by image (Huang et al. 2016). Default: 0. */
  dropPath?: number;
}

/**
 * Adds to a map what its axial attention gives, and to the sum what a feed-forward network with a depthwise convolution gives.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: those of {@link SqueezeAxialAttention}.
 */
export class SeaFormerBlock extends Block<SeaFormerBlockOptions> {
  static override readonly className = 'SaccadeSeaFormerBlock';
  static override readonly options: Schema<SeaFormerBlockOptions> = {
    ...SqueezeAxialAttention.options,
    mlpRatio: option.number(4),
    dropPath: option.dropoutRate(0),
  };

  private attention!: SqueezeAxialAttention;
  private expand!: parts.ConvBatchNorm;
  private mix!: parts.DepthwiseConv2D;
  private reduce!: parts.ConvBatchNorm;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { mlpRatio, dropPath: _, ...attention } = this.options;
    const width = Math.floor(mlpRatio * channels);
    if (width === 0) {
      throw new BlockError(`${this.title}: mlpRatio ${mlpRatio} leaves no channel of ${channels}. Give an mlpRatio of at least 1 / ${channels}.`);
    }
    this.attention = new SqueezeAxialAttention(attention);
    this.attention.define(weights.at('attention'), inputShape);
    this.expand = parts.convBatchNorm(weights.at('expand'), channels, width, { kernelSize: 1 });
    this.mix = parts.depthwiseConv2d(weights.at('mix'), width, { kernelSize: 3 });
    this.reduce = parts.convBatchNorm(weights.at('reduce'), width, channels, { kernelSize: 1 });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const attended = add<Tensor4D>(x, this.dropped(this.attention.forward(x, training), training)); // [N, H, W, C]
    const mixed = this.mix(this.expand(attended, training)); // [N, H, W, C·mlpRatio]
    const fed = this.reduce(ACTIVATIONS[this.options.activation](mixed), training);
    return add(attended, this.dropped(fed, training)); // [N, H, W, C]
  }

  override maps(x: Tensor4D): Record<'row' | 'column', Tensor4D> {
    return this.attention.maps(x);
  }

  override macs(inputShape: readonly number[]): number {
    const [images, height, width] = inputShape;
    const layers = [this.expand, this.mix, this.reduce];
    return layers.reduce((sum, layer) => sum + layer.macs(images * height * width), this.attention.macs(inputShape));
  }

  private dropped(branch: Tensor4D, training: boolean): Tensor4D {
    const { dropPath } = this.options;
    return training && dropPath > 0 ? (dropout(branch, dropPath, [branch.shape[0], 1, 1, 1]) as Tensor4D) : branch;
  }
}

/** A {@link SeaFormerBlock} layer. */
export function seaFormerBlock(options?: BlockArgs<SeaFormerBlockOptions>): SeaFormerBlock {
  return new SeaFormerBlock(options);
}
