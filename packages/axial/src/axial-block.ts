/**
 * The residual block of Axial-DeepLab: a bottleneck whose 3×3 convolution is replaced by position-sensitive attention along the height and then
 * along the width.
 *
 * Wang, Zhu, Green, Adam, Yuille, Chen. Axial-DeepLab: Stand-Alone Axial-Attention for Panoptic Segmentation. ECCV 2020. https://arxiv.org/abs/2003.07853
 *
 * Equals `AxialBlock` of github.com/csrhddlam/axial-deeplab, together with the `downsample` that its networks give it. There both axes have one
 * length; here each has its own.
 */
import { Block, BlockError, option, showShape, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, relu, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { positionSensitiveAxialAttention, type PositionSensitiveAxialAttention } from './position-sensitive-axial-attention.js';
import { projection, type Projection } from './projection.js';

/** `identity`: the input · `projection`: a strided 1×1 convolution and its batch norm. */
export type AxialBlockShortcut = 'identity' | 'projection';

export interface AxialBlockOptions {
  /** Output channels, twice the official `planes`. Default: null, as many as the input has. */
  filters?: number | null;
  /** Channels of the attention, a multiple of 2·groups. Default: null, filters / 2. */
  width?: number | null;
  /** Groups of channels that attend by themselves: the attention heads. Default: 8. */
  groups?: number;
  /** Must divide height and width. Default: 1. */
  stride?: number;
  /** What is added to the branch. Default: null, the identity where the branch keeps the shape, else a projection. */
  shortcut?: AxialBlockShortcut | null;
}

/**
 * A residual block that attends along the columns, then along the rows.
 *
 * Input: `[N, H, W, C]`, H and W known; output: `[N, H/stride, W/stride, filters]`. Attention maps: `height` `[N, columns, groups, H, H]` and
 * `width` `[N, rows, groups, W, W]`, of the columns and rows that the queries lie in.
 */
export class AxialBlock extends Block<AxialBlockOptions> {
  static override readonly className = 'SaccadeAxialBlock';
  static override readonly options: Schema<AxialBlockOptions> = {
    filters: option.optional(option.integer(1)),
    width: option.optional(option.integer(1)),
    groups: option.integer(8),
    stride: option.integer(1),
    shortcut: option.optional(option.oneOf(['identity', 'projection'], 'projection')),
  };

  protected override readonly minSize = this.options.stride;

  private reduce!: Projection;
  private alongHeight!: PositionSensitiveAxialAttention;
  private alongWidth!: PositionSensitiveAxialAttention;
  private expand!: Projection;
  private project!: parts.ConvBatchNorm | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { groups, stride } = this.options;
    const { filters, width, projects } = this.plan(channels);
    const inner = [...inputShape.slice(0, -1), width];
    // He et al.'s initialisation over the outputs, as in the official networks.
    this.reduce = projection(weights.at('reduce'), channels, width, { kernelInitializer: parts.heNormal(width), activation: 'relu' });
    this.alongHeight = positionSensitiveAxialAttention({ axis: 'height', groups });
    this.alongHeight.define(weights.at('height'), inner);
    this.alongWidth = positionSensitiveAxialAttention({ axis: 'width', groups, stride });
    this.alongWidth.define(weights.at('width'), inner);
    // Gamma 0, so that the branch starts as nothing.
    const zero = { kernelInitializer: parts.heNormal(filters), gammaInitializer: initializers.zeros() };
    this.expand = projection(weights.at('expand'), width, filters, zero);
    const shortcut = { kernelSize: 1, stride, kernelInitializer: parts.heNormal(filters) };
    this.project = projects ? parts.convBatchNorm(weights.at('project'), channels, filters, shortcut) : null;
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const h = this.alongHeight.forward(this.reduce(x, training), training); // [N, H, W, width]
    const y = relu(this.alongWidth.forward(h, training)); // [N, H/stride, W/stride, width]
    return relu(add(this.expand(y, training), this.project ? this.project(x, training) : x));
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    const h = this.reduce(x, false);
    return { ...this.alongHeight.maps(h, queries), ...this.alongWidth.maps(this.alongHeight.forward(h, false), queries) };
  }

  override macs([images, height, width, channels]: readonly number[]): number {
    const inner = [images, height, width, this.plan(channels).width];
    const [inputs, outputs] = [images * height * width, (images * height * width) / this.options.stride ** 2];
    const branch = this.reduce.macs(inputs) + this.alongHeight.macs(inner) + this.alongWidth.macs(inner) + this.expand.macs(outputs);
    return branch + (this.project?.macs(outputs) ?? 0);
  }

  protected override get sizeTie(): string {
    return 'its tables of distances are as long as the height and the width';
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { stride } = this.options;
    return [images, height! / stride, width! / stride, this.plan(channels!).filters];
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const { stride } = this.options;
    if (shape.slice(1, -1).some((size) => size! % stride !== 0)) {
      throw new BlockError(
        `${this.title}: the input has shape ${showShape(shape)}, but stride ${stride} must divide its height and width. Pad or resize the map.`,
      );
    }
    this.plan(shape.at(-1)!);
  }

  /** Channels of the output and of the attention, and whether the shortcut is a projection. */
  private plan(channels: number): { filters: number; width: number; projects: boolean } {
    const { groups, stride, shortcut } = this.options;
    const filters = this.options.filters ?? channels;
    const width = this.options.width ?? filters / 2;
    if (width % (2 * groups) !== 0) {
      throw new BlockError(
        `${this.title}: a width of ${width} does not make ${groups} groups of an even number of channels. Give a multiple of ${2 * groups} as width (by default half the filters), or other groups.`,
      );
    }
    const keepsShape = stride === 1 && filters === channels;
    if (shortcut === 'identity' && !keepsShape) {
      throw new BlockError(
        `${this.title}: option "shortcut" is "identity", but the branch turns ${channels} channels into ${filters} with stride ${stride}. ` +
          'Give "projection", or leave it out.',
      );
    }
    return { filters, width, projects: shortcut === null ? !keepsShape : shortcut === 'projection' };
  }
}

/** A {@link AxialBlock} layer. */
export function axialBlock(options?: BlockArgs<AxialBlockOptions>): AxialBlock {
  return new AxialBlock(options);
}
