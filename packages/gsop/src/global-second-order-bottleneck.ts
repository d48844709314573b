/**
 * The bottleneck of a GSoP network: a ResNet's, with global second-order pooling at the end of its residual branch.
 *
 * Gao, Xie, Wang, Li. Global Second-order Pooling Convolutional Networks. CVPR 2019. https://arxiv.org/abs/1811.12006
 *
 * Equals `Bottleneck` of the official code, github.com/ZilinGao/Global-Second-order-Pooling-Convolutional-Networks, with attention '1', '2', '+'
 * or 'M', here `channel`, `position`, `sum` and `max`. Its '&', a learned concatenation, is left out.
 */
import { Block, BlockError, convolvedSize, option, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, maximum, relu, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { globalSecondOrderPooling, type GlobalSecondOrderPooling, type GlobalSecondOrderPoolingOptions } from './global-second-order-pooling.js';
import { positionSecondOrderPooling, type PositionSecondOrderPooling } from './position-second-order-pooling.js';

/** Second-order pooling over channels, over positions, or both, their results added or the larger taken. */
export type SecondOrderAttention = 'channel' | 'position' | 'sum' | 'max';

export interface GlobalSecondOrderBottleneckOptions extends GlobalSecondOrderPoolingOptions {
  /** Output channels, a multiple of 4: the convolutions inside have a quarter of them. Default: null, as many as the input has. */
  filters?: number | null;
  /** Stride of the 3×3 convolution. Default: 1. */
  stride?: number;
  /** What the pooling is over: `channel`, `position`, or both, as their `sum` or `max`. Default: `channel`. */
  attention?: SecondOrderAttention;
}

const EXPANSION = 4;

/**
 * A residual block: three convolutions, {@link GlobalSecondOrderPooling} or {@link PositionSecondOrderPooling} or both, and a shortcut, which
 * is projected where the map changes its size or its channels.
 *
 * Input: `[N, H, W, C]`, output: `[N, ⌈H/stride⌉, ⌈W/stride⌉, filters]`. Attention maps: `channel` `[N, filters]`, `spatial`
 * `[N, ⌈H/stride⌉, ⌈W/stride⌉]`, as far as `attention` has them.
 */
export class GlobalSecondOrderBottleneck extends Block<GlobalSecondOrderBottleneckOptions> {
  static override readonly className = 'SaccadeGlobalSecondOrderBottleneck';
  static override readonly options: Schema<GlobalSecondOrderBottleneckOptions> = {
    filters: option.optional(option.integer(1)),
    stride: option.integer(1),
    attention: option.oneOf(['channel', 'position', 'sum', 'max'], 'channel'),
    width: option.integer(128),
    reductionStride: option.optional(option.integer(1)),
    leakyRelu: option.flag(false),
  };

  private reduce!: parts.ConvBatchNorm;
  private conv!: parts.ConvBatchNorm;
  private expand!: parts.ConvBatchNorm;
  private shortcut!: parts.ConvBatchNorm | null;
  private channel!: GlobalSecondOrderPooling | null;
  private position!: PositionSecondOrderPooling | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { stride, attention, width, reductionStride, leakyRelu } = this.options;
    const channels = inputShape.at(-1)!;
    const filters = this.filtersOf(channels);
    const inner = filters / EXPANSION;
    const convNorm = (name: string, inputs: number, outputs: number, options: parts.ConvBatchNormOptions) =>
      parts.convBatchNorm(weights.at(name), inputs, outputs, { ...options, kernelInitializer: parts.heNormal(options.kernelSize ** 2 * outputs) });
    this.reduce = convNorm('reduce', channels, inner, { kernelSize: 1, activation: 'relu' });
    this.conv = convNorm('conv', inner, inner, { kernelSize: 3, stride, activation: 'relu' });
    this.expand = convNorm('expand', inner, filters, { kernelSize: 1 });
    this.shortcut = stride > 1 || channels !== filters ? convNorm('shortcut', channels, filters, { kernelSize: 1, stride }) : null;
    const outputShape = this.outputShapeFor(inputShape);
    this.channel = attention === 'position' ? null : globalSecondOrderPooling({ width, reductionStride, leakyRelu });
    this.channel?.define(weights.at('channel'), outputShape);
    this.position = attention === 'channel' ? null : positionSecondOrderPooling({ width });
    this.position?.define(weights.at('position'), outputShape);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const branch = this.branch(x, training); // [N, H', W', filters]
    const pooled = [this.channel, this.position].flatMap((pooling) => (pooling ? [pooling.forward(branch, training)] : []));
    const y = pooled.reduce(this.options.attention === 'max' ? maximum : add);
    return relu(add(y, this.shortcut ? this.shortcut(x, training) : x));
  }

  override maps(x: Tensor4D): Record<string, Tensor> {
    const branch = this.branch(x, false);
    return { ...this.channel?.maps(branch), ...this.position?.maps(branch) };
  }

  override macs(inputShape: readonly number[]): number {
    const outputShape = this.outputShapeFor(inputShape) as number[];
    const [before, after] = [inputShape, outputShape].map(([images, height, width]) => images * height * width);
    const convolutions = this.reduce.macs(before) + this.conv.macs(after) + this.expand.macs(after) + (this.shortcut?.macs(after) ?? 0);
    return convolutions + (this.channel?.macs(outputShape) ?? 0) + (this.position?.macs(outputShape) ?? 0);
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const filters = this.filtersOf(shape.at(-1)!);
    if (filters % EXPANSION !== 0) {
      throw new BlockError(
        `${this.title}: the output would have ${filters} channels, but their number must be a multiple of ${EXPANSION}. Give such a number as "filters".`,
      );
    }
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { stride } = this.options;
    const [rows, columns] = [height, width].map((size) => convolvedSize(size, 3, { stride }));
    return [images, rows, columns, this.filtersOf(channels!)];
  }

  private filtersOf(channels: number): number {
    return this.options.filters ?? channels;
  }

  private branch(x: Tensor4D, training: boolean): Tensor4D {
    return this.expand(this.conv(this.reduce(x, training), training), training);
  }
}

/** A {@link GlobalSecondOrderBottleneck} layer. */
export function globalSecondOrderBottleneck(options?: BlockArgs<GlobalSecondOrderBottleneckOptions>): GlobalSecondOrderBottleneck {
  return new GlobalSecondOrderBottleneck(options);
}
