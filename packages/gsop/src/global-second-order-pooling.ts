/**
 * Global second-order pooling over channels.
 *
 * Gao, Xie, Wang, Li. Global Second-order Pooling Convolutional Networks. CVPR 2019. https://arxiv.org/abs/1811.12006
 *
 * Equals `Bottleneck.chan_att` of the official code, github.com/ZilinGao/Global-Second-order-Pooling-Convolutional-Networks, and the product
 * with its input. The paper has a leaky ReLU between the row-wise convolution and the last layer, the code has none: `leakyRelu: true` is the
 * paper's form. The code multiplies X·Î·Xᵀ with a P×P matrix Î; centring X first gives the same without it.
 */
import { Block, convolvedSize, covariancePool, option, scale, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { leakyRelu, relu, sigmoid, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { rowConv, VALUES_PER_ROW, type RowConv } from './row-conv.js';

export interface GlobalSecondOrderPoolingOptions {
  /** Channels d that the covariance is taken of. Default: 128. */
  width?: number;
  /** Stride of the convolution that reduces the channels to d. Default: null, 2 for up to 256 channels, a ResNet's first stage, and 1 for more. */
  reductionStride?: number | null;
  /** Whether a leaky ReLU of slope 0.1 follows the row-wise convolution. Default: false. */
  leakyRelu?: boolean;
}

/** Up to so many channels, the official code takes every second row and column only. */
const CHANNELS_OF_FIRST_STAGE = 256;

/**
 * Scales each channel by a gate computed from the covariance of all channels, row by row.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`.
 */
export class GlobalSecondOrderPooling extends Block<GlobalSecondOrderPoolingOptions> {
  static override readonly className = 'SaccadeGlobalSecondOrderPooling';
  static override readonly options: Schema<GlobalSecondOrderPoolingOptions> = {
    width: option.integer(128),
    reductionStride: option.optional(option.integer(1)),
    leakyRelu: option.flag(false),
  };

  private reduce!: parts.ConvBatchNorm;
  private rowNorm!: parts.BatchNorm;
  private rowConv!: RowConv;
  private expand!: parts.Dense;
  private stride!: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { width, reductionStride } = this.options;
    this.stride = reductionStride ?? (channels > CHANNELS_OF_FIRST_STAGE ? 1 : 2);
    const conv = { kernelSize: 1, stride: this.stride, kernelInitializer: parts.heNormal(width) };
    this.reduce = parts.normalisedConv(
      parts.conv2d(weights.at('reduce'), channels, width, conv),
      parts.batchNorm(weights.at('reduceNorm'), width, { activation: 'relu' }),
    );
    this.rowNorm = parts.batchNorm(weights.at('rowNorm'), width);
    this.rowConv = rowConv(weights.at('rowConv'), width);
    this.expand = parts.dense(weights.at('expand'), VALUES_PER_ROW * width, channels, { kernelInitializer: parts.heNormal(channels) });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    return scale(x, this.excite(x, training), { activation: 'sigmoid' }); // [N, H, W, C]
  }

  override maps(x: Tensor4D): { channel: Tensor } {
    return { channel: sigmoid(this.excite(x, false)) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const [rows, columns] = [height, width].map((size) => convolvedSize(size, 1, { stride: this.stride }));
    const positions = images * rows * columns;
    const covariance = positions * this.options.width ** 2;
    return this.reduce.macs(positions) + covariance + this.rowConv.macs(images) + this.expand.macs(images);
  }

  /** The gate's logits. */
  private excite(x: Tensor4D, training: boolean): Tensor {
    const z = this.reduce(relu(x), training); // [N, H', W', d]
    // Symmetric, so that its rows may be taken for columns, the channels that they are normalised and convolved as.
    const covariance = this.rowNorm(covariancePool(z), training); // [N, d, d]
    const rows = this.rowConv(covariance); // [N, 4d]
    return this.expand(this.options.leakyRelu ? leakyRelu(rows, 0.1) : rows); // [N, C]
  }
}

/** A {@link GlobalSecondOrderPooling} layer. */
export function globalSecondOrderPooling(options?: BlockArgs<GlobalSecondOrderPoolingOptions>): GlobalSecondOrderPooling {
  return new GlobalSecondOrderPooling(options);
}
