/**
 * Coordinate attention.
 *
 * Hou, Zhou, Feng. Coordinate Attention for Efficient Mobile Network Design. CVPR 2021. https://arxiv.org/abs/2103.02907
 *
 * Equals `CoordAtt` of the official code, github.com/houqb/CoordAttention. The paper leaves the non-linearity open: the code has hard-swish.
 */
import {
  Block,
  hardSwish,
  option,
  reducedChannels,
  scale,
  stripAvgPool,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, expandDims, sigmoid, split, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface CoordinateAttentionOptions {
  /** Reduction ratio r: the bottleneck has C / r channels, rounded down. Default: 32. */
  reduction?: number;
  /** The least number of channels of the bottleneck. Default: 8. */
  minChannels?: number;
}

/**
 * Scales each value by a gate of its row and a gate of its column, both computed from the means of all rows and columns.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `height` `[N, H, C]` and `width` `[N, W, C]`.
 */
export class CoordinateAttention extends Block<CoordinateAttentionOptions> {
  static override readonly className = 'SaccadeCoordinateAttention';
  static override readonly options: Schema<CoordinateAttentionOptions> = {
    reduction: option.number(32),
    minChannels: option.integer(8, { min: 0 }),
  };

  private reduce!: parts.Dense;
  private norm!: parts.BatchNorm;
  private expandHeight!: parts.Dense;
  private expandWidth!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const width = reducedChannels(this.title, channels, this.options);
    // He et al.'s initialisation over the outputs, as in the official networks.
    const conv = (name: string, inputs: number, filters: number) =>
      parts.dense(weights.at(name), inputs, filters, { kernelInitializer: parts.heNormal(filters), biasInitializer: initializers.zeros() });
    this.reduce = conv('reduce', channels, width);
    this.norm = parts.batchNorm(weights.at('norm'), width);
    this.expandHeight = conv('expandHeight', width, channels);
    this.expandWidth = conv('expandWidth', width, channels);
  }

  override forward(x: Tensor, training: boolean): Tensor {
    const { height, width } = this.gates(x, training);
    return scale(scale(x, expandDims(height, 2)), expandDims(width, 1)); // [N, H, W, C], equation 8
  }

  override maps(x: Tensor): { height: Tensor; width: Tensor } {
    return this.gates(x, false);
  }

  override macs([images, height, width]: readonly number[]): number {
    return images * (this.reduce.macs(height + width) + this.expandHeight.macs(height) + this.expandWidth.macs(width));
  }

  private gates(x: Tensor, training: boolean): { height: Tensor; width: Tensor } {
    const rows = stripAvgPool(x as Tensor4D, 'width'); // [N, H, C], equation 4
    const columns = stripAvgPool(x as Tensor4D, 'height'); // [N, W, C], equation 5
    const f = hardSwish(this.norm(this.reduce(concat([rows, columns], 1)), training)); // [N, H + W, C / r], equation 6
    const [ofRows, ofColumns] = split(f, [rows.shape[1], columns.shape[1]], 1);
    return { height: sigmoid(this.expandHeight(ofRows)), width: sigmoid(this.expandWidth(ofColumns)) }; // equations 7
  }
}

/** A {@link CoordinateAttention} layer. */
export function coordinateAttention(options?: BlockArgs<CoordinateAttentionOptions>): CoordinateAttention {
  return new CoordinateAttention(options);
}
