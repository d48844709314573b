/**
 * Coordinate attention.
 *
 * Hou, Zhou, Feng. Coordinate Attention for Efficient Mobile Network Design. CVPR 2021. https://arxiv.org/abs/2103.02907
 *
 * Equals `CoordAtt` of the official code, github.com/houqb/CoordAttention. The paper leaves the non-linearity open: the code has hard-swish.
 */
import { Block, option, reducedChannels, scaleByStrips, stripPools, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { reshape, sigmoid, split, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
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

  private encode!: parts.DenseBatchNorm;
  private expand!: parts.SplitDense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const width = reducedChannels(this.title, channels, this.options);
    // He et al.'s initialisation over the outputs, as in the official networks.
    const conv = (name: string, inputs: number, filters: number) =>
      parts.dense(weights.at(name), inputs, filters, { kernelInitializer: parts.heNormal(filters), biasInitializer: initializers.zeros() });
    this.encode = parts.denseBatchNorm(conv('reduce', channels, width), parts.batchNorm(weights.at('norm'), width, { activation: 'hardSwish' }));
    this.expand = parts.splitDense(conv('expandHeight', width, channels), conv('expandWidth', width, channels));
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    return scaleByStrips(x, this.logits(x, training), 'sigmoid'); // [N, H, W, C], equation 8
  }

  override maps(x: Tensor4D): { height: Tensor; width: Tensor } {
    const [height, width] = split(sigmoid(this.logits(x, false)), [x.shape[1], x.shape[2]], 1);
    return { height, width };
  }

  override macs([images, height, width]: readonly number[]): number {
    return images * (this.encode.macs(height + width) + this.expand.macs(height, width));
  }

  /** Those of the gates, `[N, H + W, C]`: of all rows, and behind them of all columns. */
  private logits(x: Tensor4D, training: boolean): Tensor3D {
    const [images, height, width, channels] = x.shape;
    const z: Tensor3D = reshape(stripPools(x, ['avg']), [images, height + width, channels]); // equations 4 and 5
    const f = this.encode(z, training); // [N, H + W, C / r], equation 6
    return this.expand(f, height); // equations 7, before their sigmoid
  }
}

/** A {@link CoordinateAttention} layer. */
export function coordinateAttention(options?: BlockArgs<CoordinateAttentionOptions>): CoordinateAttention {
  return new CoordinateAttention(options);
}
