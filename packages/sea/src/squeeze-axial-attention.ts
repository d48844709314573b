/**
 * Squeeze-enhanced axial attention.
 *
 * Wan, Huang, Lu, Yu, Zhang. SeaFormer: Squeeze-enhanced Axial Transformer for Mobile Semantic Segmentation. ICLR 2023.
 * https://arxiv.org/abs/2301.13156
 *
 * Equals `Sea_Attention` of the official code, github.com/fudan-zvg/SeaFormer. Its copy for segmentation has another default, an attention ratio
 * of 4, with which it does not run; all networks have 2. The paper leaves open what the code does: queries and keys alone carry positions, and
 * what rows and columns gather is encoded once more before it joins the values.
 */
import {
  ACTIVATIONS,
  Block,
  BlockError,
  option,
  scale,
  stripAvgPool,
  type Activation,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, slice, transpose, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { axisAttention, type AxisAttention } from './axis-attention.js';

export interface SqueezeAxialAttentionOptions {
  /** Default: 8, as in SeaFormer-B and -L. */
  heads?: number;
  /** Channels of a head's queries and keys. Default: 16, as where SeaFormers first attend. */
  headChannels?: number;
  /** A head's values have this many times as many channels, rounded down. Default: 2. */
  attentionRatio?: number;
  /** Between the layers. Default: `relu6`. */
  activation?: Activation;
}

/**
 * Gates the local details of a map by what its rows, each squeezed to its mean, gather from each other, and its columns likewise.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `row` `[N, heads, H, H]`, how each row weighs all rows, and `column` `[N, heads, W, W]`.
 */
export class SqueezeAxialAttention extends Block<SqueezeAxialAttentionOptions> {
  static override readonly className = 'SaccadeSqueezeAxialAttention';
  static override readonly options: Schema<SqueezeAxialAttentionOptions> = {
    heads: option.integer(8),
    headChannels: option.integer(16),
    attentionRatio: option.number(2),
    activation: option.activation('relu6'),
  };

  private project!: parts.ConvBatchNorm;
  private enhance!: parts.DepthwiseBatchNorm;
  private restore!: parts.ConvBatchNorm;
  private row!: AxisAttention;
  private column!: AxisAttention;
  private fuse!: parts.ConvBatchNorm;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { heads, headChannels, attentionRatio, activation } = this.options;
    const { keyChannels, valueChannels } = widthsOf(this.options);
    if (valueChannels === 0) {
      throw new BlockError(
        `${this.title}: attentionRatio ${attentionRatio} times ${headChannels} headChannels leaves no channel for values. Give a product of at least 1.`,
      );
    }
    const all = 2 * keyChannels + valueChannels;
    this.project = parts.convBatchNorm(weights.at('project'), channels, all, { kernelSize: 1 });
    this.enhance = parts.depthwiseBatchNorm(weights.at('enhance'), all, { kernelSize: 3, activation });
    this.restore = parts.convBatchNorm(weights.at('restore'), all, channels, { kernelSize: 1 });
    const axis = { heads, headChannels, valueChannels, activation };
    this.row = axisAttention(weights.at('row'), axis);
    this.column = axisAttention(weights.at('column'), axis);
    // Zero, so that all gates start at one half.
    this.fuse = parts.convBatchNorm(weights.at('fuse'), valueChannels, channels, { kernelSize: 1, gammaInitializer: initializers.zeros() });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const qkv = this.project(x, training); // [N, H, W, 2K + V]
    const details = this.restore(this.enhance(qkv, training), training); // [N, H, W, C]
    const row = this.row(stripAvgPool(qkv, 'width'), training); // [N, H, 1, V]
    const column = this.column(stripAvgPool(qkv, 'height'), training); // [N, W, 1, V]
    const v = slice(qkv, [0, 0, 0, 2 * widthsOf(this.options).keyChannels]); // [N, H, W, V]
    const context = add<Tensor4D>(add(v, row), transpose(column, [0, 2, 1, 3]));
    const activate = ACTIVATIONS[this.options.activation] as (x: Tensor4D) => Tensor4D;
    return scale(details, this.fuse(activate(context), training), { activation: 'hardSigmoid' }); // [N, H, W, C]
  }

  override maps(x: Tensor4D): Record<'row' | 'column', Tensor4D> {
    const qkv = this.project(x, false);
    return { row: this.row.map(stripAvgPool(qkv, 'width')), column: this.column.map(stripAvgPool(qkv, 'height')) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const convolutions = [this.project, this.enhance, this.restore, this.fuse].reduce((sum, conv) => sum + conv.macs(height * width), 0);
    return images * (convolutions + this.row.macs(height) + this.column.macs(width));
  }
}

/** The channels of queries and of keys, and of values, of all heads together. */
export function widthsOf({ heads, headChannels, attentionRatio }: Required<SqueezeAxialAttentionOptions>) {
  return { keyChannels: heads * headChannels, valueChannels: heads * Math.floor(attentionRatio * headChannels) };
}

/** A {@link SqueezeAxialAttention} layer. */
export function squeezeAxialAttention(options?: BlockArgs<SqueezeAxialAttentionOptions>): SqueezeAxialAttention {
  return new SqueezeAxialAttention(options);
}
