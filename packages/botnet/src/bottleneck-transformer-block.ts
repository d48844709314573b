/**
 * The residual block of BoTNet: a bottleneck with self-attention in place of its 3×3 convolution.
 *
 * Srinivas, Lin, Parmar, Shlens, Abbeel, Vaswani. Bottleneck Transformers for Visual Recognition. CVPR 2021. https://arxiv.org/abs/2101.11605
 *
 * As in the authors' published code, batch norm and activation follow the attention, a projected shortcut has an activation of its own, and the
 * last batch norm starts with gamma 0. Equals lucidrains' `BottleBlock`, whose shortcut on the way down is a 3×3 convolution
 * (`shortcutKernelSize: 3`) where the authors' is a 1×1 one.
 */
import {
  ACTIVATIONS,
  Block,
  BlockError,
  option,
  reducedChannels,
  showShape,
  type Activation,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { BottleneckSelfAttention, type BottleneckSelfAttentionOptions } from './bottleneck-self-attention.js';

export interface BottleneckTransformerBlockOptions extends Omit<BottleneckSelfAttentionOptions, 'filters' | 'headChannels'> {
  /** Output channels. Default: null, as many as the input has. */
  filters?: number | null;
  /** The attention sees filters / reduction channels, rounded down. Default: 4. */
  reduction?: number;
  /** Channels of a head's queries, keys and values. Default: null, what the attention sees / heads. */
  headChannels?: number | null;
  /** Stride of the shortcut, and of an average pooling after the attention; it must divide height and width. Default: 1. */
  stride?: number;
  /** Side of the kernel of a projected shortcut, odd. Default: 1. */
  shortcutKernelSize?: number;
  /** Default: `relu`. */
  activation?: Activation;
}

/**
 * A residual block: a 1×1 convolution to fewer channels, self-attention among all positions, and a 1×1 convolution back.
 *
 * Input: `[N, H, W, C]`; output: `[N, H/stride, W/stride, filters]`. Attention maps: `query` `[N, heads, queries, H·W]`.
 */
export class BottleneckTransformerBlock extends Block<BottleneckTransformerBlockOptions> {
  static override readonly className = 'SaccadeBottleneckTransformerBlock';
  static override readonly options: Schema<BottleneckTransformerBlockOptions> = {
    ...BottleneckSelfAttention.options,
    reduction: option.number(4),
    shortcutKernelSize: option.oddInteger(1),
    activation: option.activation('relu'),
  };

  private reduce!: parts.ConvBatchNorm;
  private attention!: BottleneckSelfAttention;
  private norm!: parts.BatchNorm;
  private expand!: parts.ConvBatchNorm;
  /** Null where the shortcut is the input itself. */
  private project!: parts.ConvBatchNorm | null;
  /** What the attention sees. */
  private width!: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { reduction, heads, headChannels, stride, positions, scalePositions, useBias, activation, shortcutKernelSize } = this.options;
    const filters = this.options.filters ?? channels;
    this.width = reducedChannels(this.title, filters, { reduction });
    if (headChannels === null && this.width % heads !== 0) {
      throw new BlockError(
        `${this.title}: the attention sees ${filters} / ${reduction} = ${this.width} channels, which must be a multiple of the ${heads} heads. Give headChannels, or other heads.`,
      );
    }
    const attended = headChannels === null ? this.width : heads * headChannels;
    this.reduce = parts.convBatchNorm(weights.at('reduce'), channels, this.width, { kernelSize: 1, activation });
    this.attention = new BottleneckSelfAttention({ filters: attended, heads, stride, positions, scalePositions, useBias });
    this.attention.define(weights.at('attention'), [...inputShape.slice(0, -1), this.width]);
    this.norm = parts.batchNorm(weights.at('norm'), attended, { activation });
    // The block starts as its shortcut.
    this.expand = parts.convBatchNorm(weights.at('expand'), attended, filters, { kernelSize: 1, gammaInitializer: initializers.zeros() });
    this.project =
      stride === 1 && filters === channels
        ? null
        : parts.convBatchNorm(weights.at('project'), channels, filters, { kernelSize: shortcutKernelSize, stride, activation });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const reduced = this.reduce(x, training); // [N, H, W, width]
    const attended = this.norm(this.attention.forward(reduced), training); // [N, H/stride, W/stride, width]
    const shortcut = this.project ? this.project(x, training) : x;
    const activate = ACTIVATIONS[this.options.activation] as (x: Tensor4D) => Tensor4D;
    return activate(add(this.expand(attended, training), shortcut)); // [N, H/stride, W/stride, filters]
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor4D } {
    return this.attention.maps(this.reduce(x, false), queries);
  }

  override macs([images, height, width]: readonly number[]): number {
    const inputs = images * height * width;
    const outputs = inputs / this.options.stride ** 2;
    const attention = this.attention.macs([images, height, width, this.width]);
    return this.reduce.macs(inputs) + attention + this.expand.macs(outputs) + (this.project?.macs(outputs) ?? 0);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { filters, stride } = this.options;
    return [images, height && height / stride, width && width / stride, filters ?? channels];
  }

  protected override get sizeTie(): string {
    return `its table of ${this.options.positions} positions is as large as the map`;
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const { stride } = this.options;
    if (shape.slice(1, 3).some((size) => size! % stride !== 0)) {
      throw new BlockError(
        `${this.title}: the input has shape ${showShape(shape)}, but option "stride" is ${stride}, which must divide its height and width. ` +
          'Pad or resize the map, or give another stride.',
      );
    }
  }
}

/** A {@link BottleneckTransformerBlock} layer. */
export function bottleneckTransformerBlock(options?: BlockArgs<BottleneckTransformerBlockOptions>): BottleneckTransformerBlock {
  return new BottleneckTransformerBlock(options);
}
