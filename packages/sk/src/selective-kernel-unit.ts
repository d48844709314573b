/**
 * The residual unit of SKNet: a bottleneck around a selective kernel convolution.
 *
 * Li, Wang, Hu, Yang. Selective Kernel Networks. CVPR 2019. https://arxiv.org/abs/1903.06586, section 3.2
 *
 * Equals a unit of the official Caffe SKNet-50 and 101, github.com/implus/SKNet, and timm's `SelectiveKernelBottleneck` with the `downsample`
 * that its networks give it.
 */
import {
  Block,
  BlockError,
  convolvedSize,
  option,
  type BlockArgs,
  type ConvolutionGeometry,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, relu, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { SelectiveKernel, type SelectiveKernelOptions } from './selective-kernel.js';

export interface SelectiveKernelUnitOptions extends SelectiveKernelOptions {
  /** Output channels. Default: null, as many as the input has. */
  filters?: number | null;
  /** The convolution has ⌊filters / 4 · this / 64⌋ channels a group, as in a ResNeXt. Default: 4, which makes half the filters of 32 groups. */
  bottleneckWidth?: number;
}

/**
 * A residual bottleneck whose middle convolution is a {@link SelectiveKernel}. The shortcut is a strided 1×1 convolution where the shape changes.
 *
 * Input: `[N, H, W, C]`, output: `[N, H', W', filters]`, up to a stride of 2 `⌈H/stride⌉` and `⌈W/stride⌉`. Attention maps: those of
 * {@link SelectiveKernel}.
 */
export class SelectiveKernelUnit extends Block<SelectiveKernelUnitOptions> {
  static override readonly className = 'SaccadeSelectiveKernelUnit';
  static override readonly options: Schema<SelectiveKernelUnitOptions> = {
    ...SelectiveKernel.options,
    bottleneckWidth: option.number(4),
  };

  private reduce!: parts.ConvBatchNorm;
  private convolution!: SelectiveKernel;
  private expand!: parts.ConvBatchNorm;
  private project!: parts.ConvBatchNorm | null;
  private inner!: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { filters: given, bottleneckWidth, ...convolution } = this.options;
    const filters = given ?? channels;
    const { stride, groups } = convolution;
    this.inner = Math.floor((filters / 4) * (bottleneckWidth / 64)) * groups;
    if (this.inner < 1) {
      throw new BlockError(
        `${this.title}: bottleneckWidth ${bottleneckWidth} leaves no channel of ${filters} filters. Give a bottleneckWidth of at least ${Math.ceil(256 / filters)}.`,
      );
    }
    const pointwise = (name: string, inputs: number, filters: number, geometry: ConvolutionGeometry = {}) =>
      parts.convBatchNorm(weights.at(name), inputs, filters, { ...geometry, kernelSize: 1, kernelInitializer: parts.heNormal(inputs) });
    this.reduce = pointwise('reduce', channels, this.inner);
    this.convolution = new SelectiveKernel(convolution);
    this.convolution.define(weights.at('convolution'), [...inputShape.slice(0, -1), this.inner]);
    this.expand = pointwise('expand', this.inner, filters);
    const keepsShape = stride === 1 && filters === channels;
    this.project = keepsShape ? null : pointwise('project', channels, filters, { stride, padding: Math.floor((stride - 1) / 2) });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const features = this.convolution.forward(relu(this.reduce(x, training)), training); // [N, H', W', inner]
    const shortcut = this.project ? this.project(x, training) : x;
    return relu(add(this.expand(features, training), shortcut)); // [N, H', W', filters]
  }

  override maps(x: Tensor4D): { channel: Tensor } {
    return this.convolution.maps(relu(this.reduce(x, false)));
  }

  override macs(inputShape: readonly number[]): number {
    const [images, height, width] = inputShape;
    const [, newHeight, newWidth] = this.outputShapeFor(inputShape) as number[];
    const outputs = images * newHeight * newWidth;
    const convolution = this.convolution.macs([images, height, width, this.inner]);
    return this.reduce.macs(images * height * width) + convolution + this.expand.macs(outputs) + (this.project?.macs(outputs) ?? 0);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { filters, stride } = this.options;
    const geometry = { stride, padding: Math.floor((stride - 1) / 2) };
    return [images, convolvedSize(height, 1, geometry), convolvedSize(width, 1, geometry), filters ?? channels];
  }
}

/** A {@link SelectiveKernelUnit} layer. */
export function selectiveKernelUnit(options?: BlockArgs<SelectiveKernelUnitOptions>): SelectiveKernelUnit {
  return new SelectiveKernelUnit(options);
}
