/**
 * The pre-activation residual unit that Residual Attention Networks are made of.
 *
 * He, Zhang, Ren, Sun. Identity Mappings in Deep Residual Networks. ECCV 2016. https://arxiv.org/abs/1603.05027
 * Wang et al. Residual Attention Network for Image Classification. CVPR 2017. https://arxiv.org/abs/1704.06904
 *
 * Equals the unit of the authors' Caffe networks, github.com/fwang91/residual-attention-network, and `ResidualBlock` of tengshaofeng's
 * PyTorch port. The stride is that of the 3×3 convolution, no convolution has a bias, and the projection has no batch norm of its own: it
 * reads what the first batch norm and ReLU give.
 */
import { Block, convolvedSize, option, reducedChannels, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';

export interface ResidualUnitOptions {
  /** Output channels. Default: null, as many as the input has. */
  filters?: number | null;
  /** Stride of the 3×3 convolution and of the projection. Default: 1. */
  stride?: number;
  /** Reduction ratio r: the bottleneck has filters / r channels, rounded down. Default: 4. */
  reduction?: number;
  /** Channels of the bottleneck, instead of a reduction. Default: null. */
  width?: number | null;
}

/**
 * Adds to a feature map, or to a projection of it where channels or size change, what a bottleneck of three convolutions makes of it.
 *
 * Input: `[N, H, W, C]`, output: `[N, ⌈H/stride⌉, ⌈W/stride⌉, filters]`. It attends to nothing, and has no attention maps.
 */
export class ResidualUnit extends Block<ResidualUnitOptions> {
  static override readonly className = 'SaccadeResidualUnit';
  static override readonly options: Schema<ResidualUnitOptions> = {
    filters: option.optional(option.integer(1)),
    stride: option.integer(1),
    reduction: option.number(4),
    width: option.optional(option.integer(1)),
  };

  private norm1!: parts.BatchNorm;
  private reduce!: parts.DenseBatchNorm;
  private conv!: parts.ConvBatchNorm;
  private expand!: parts.Dense;
  private project!: parts.Conv2D | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { stride } = this.options;
    const filters = this.options.filters ?? channels;
    const width = this.options.width ?? reducedChannels(this.title, filters, this.options);
    const norm = (name: string, channels: number) => parts.batchNorm(weights.at(name), channels, { activation: 'relu' });
    this.norm1 = norm('norm1', channels);
    const reduce = parts.dense(weights.at('reduce'), channels, width, { useBias: false });
    this.reduce = parts.denseBatchNorm(reduce, norm('norm2', width));
    const conv = parts.conv2d(weights.at('conv'), width, width, { kernelSize: 3, stride, useBias: false });
    this.conv = parts.normalisedConv(conv, norm('norm3', width));
    this.expand = parts.dense(weights.at('expand'), width, filters, { useBias: false });
    const projects = filters !== channels || stride !== 1;
    this.project = projects ? parts.conv2d(weights.at('project'), channels, filters, { kernelSize: 1, stride, useBias: false }) : null;
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const a = this.norm1(x, training); // [N, H, W, C]
    const b = this.reduce(a, training); // [N, H, W, width]
    const c = this.conv(b, training); // [N, H', W', width]
    return add(this.expand(c), this.project ? this.project(a) : x); // [N, H', W', filters]
  }

  override maps(): Record<string, Tensor> {
    return {};
  }

  override macs([images, height, width]: readonly number[]): number {
    const before = images * height * width;
    const after = images * convolvedSize(height, 3, this.options) * convolvedSize(width, 3, this.options);
    return this.reduce.macs(before) + this.conv.macs(after) + this.expand.macs(after) + (this.project?.macs(after) ?? 0);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    return [images, convolvedSize(height, 3, this.options), convolvedSize(width, 3, this.options), this.options.filters ?? channels];
  }
}

/** A {@link ResidualUnit} layer. */
export function residualUnit(options?: BlockArgs<ResidualUnitOptions>): ResidualUnit {
  return new ResidualUnit(options);
}
