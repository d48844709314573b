/**
 * The segmentation head of DANet: attention over positions and attention over channels, side by side.
 *
 * Fu, Liu, Tian, Li, Bao, Fang, Lu. Dual Attention Network for Scene Segmentation. CVPR 2019. https://arxiv.org/abs/1809.02983
 *
 * Equals the authors' `DANetHead`. The paper has one output, of the sum of the two branches; in the code each branch has logits of its own
 * as well, and all three are trained.
 */
import { Block, channelDropout, option, reducedChannels, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { Branch } from './branch.js';
import { channelAffinityAttention, type ChannelAffinityAttention, type ChannelAffinityAttentionOptions } from './channel-affinity-attention.js';
import { positionAttention, type PositionAttention, type PositionAttentionOptions } from './position-attention.js';

export interface DualAttentionHeadOptions extends PositionAttentionOptions, ChannelAffinityAttentionOptions {
  /** Channels of the logits. Default: 19, the classes of Cityscapes. */
  classes?: number;
  /** Channels of both branches. Default: null, a quarter of the input's. */
  width?: number | null;
  /** Rate at which channels of the features that logits are read from are dropped in training. Default: 0.1. */
  dropout?: number;
}

/**
 * Turns a backbone's last features into class logits, of the same height and width, three times: from the sum of both branches, which is the
 * prediction, and, to train them, from the branch over positions and from that over channels.
 *
 * Input: `[N, H, W, C]`, outputs: three, each `[N, H, W, classes]`. Attention maps: `query` `[N, queries, H·W]` and `channel` `[N, width, width]`.
 */
export class DualAttentionHead extends Block<DualAttentionHeadOptions, Tensor[]> {
  static override readonly className = 'SaccadeDualAttentionHead';
  static override readonly options: Schema<DualAttentionHeadOptions> = {
    classes: option.integer(19),
    width: option.optional(option.integer(1)),
    reduction: option.number(8),
    keyChannels: option.optional(option.integer(1)),
    affinity: option.oneOf(['inverted', 'direct'], 'inverted'),
    dropout: option.dropoutRate(0.1),
  };

  private position!: Branch<PositionAttention>;
  private channel!: Branch<ChannelAffinityAttention>;
  private classify!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { classes, reduction, keyChannels, affinity } = this.options;
    const width = this.options.width ?? reducedChannels(this.title, channels, { reduction: 4 });
    this.position = new Branch(weights.at('position'), positionAttention({ reduction, keyChannels }), { channels, width, classes });
    this.channel = new Branch(weights.at('channel'), channelAffinityAttention({ affinity }), { channels, width, classes });
    this.classify = parts.dense(weights.at('classify'), width, classes);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D[] {
    const position = this.position.features(x, training); // [N, H, W, width]
    const channel = this.channel.features(x, training);
    const { dropout } = this.options;
    const drop = (features: Tensor4D) => (training && dropout > 0 ? channelDropout(features, dropout) : features);
    return [this.classify(drop(add(position, channel))), this.position.classify(drop(position)), this.channel.classify(drop(channel))];
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor; channel: Tensor } {
    return {
      ...this.position.attention.maps(this.position.reduce(x, false), queries),
      ...this.channel.attention.maps(this.channel.reduce(x, false)),
    };
  }

  override macs(inputShape: readonly number[]): number {
    const [batch, height, width] = inputShape;
    return this.position.macs(inputShape) + this.channel.macs(inputShape) + this.classify.macs(batch * height * width);
  }

  protected override outputShapeFor(inputShape: Shape): readonly Shape[] {
    const logits = [...inputShape.slice(0, -1), this.options.classes];
    return [logits, logits, logits];
  }
}

/** A {@link DualAttentionHead} layer. */
export function dualAttentionHead(options?: BlockArgs<DualAttentionHeadOptions>): DualAttentionHead {
  return new DualAttentionHead(options);
}
