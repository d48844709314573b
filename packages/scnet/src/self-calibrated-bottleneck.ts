/**
 * The residual block of SCNet: a bottleneck, half of whose 3×3 convolution is self-calibrated.
 *
 * Liu, Hou, Cheng, Wang, Feng. Improving Convolutional Networks with Self-Calibrated Convolutions. CVPR 2020.
 * https://openaccess.thecvf.com/content_CVPR_2020/html/Liu_Improving_Convolutional_Networks_With_Self-Calibrated_Convolutions_CVPR_2020_paper.html
 *
 * Equals `SCBottleneck` of the official code, github.com/MCG-NKU/SCNet, together with the `downsample` that its networks give it: those of
 * SCNet-50 and 101 by default, those of their v1d forms with `averageDown` and `shortcut: 'pooledProjection'`.
 */
import { Block, BlockError, option, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, avgPool, concat, div, ones, pad, relu, type Tensor4D } from '@tensorflow/tfjs-core';
import { SelfCalibratedConv, type SelfCalibratedConvOptions } from './self-calibrated-conv.js';

/** `identity`: the input · `projection`: a strided 1×1 convolution · `pooledProjection`: the mean of stride × stride pixels, and a 1×1 convolution. */
export type SelfCalibratedBottleneckShortcut = 'identity' | 'projection' | 'pooledProjection';

export interface SelfCalibratedBottleneckOptions extends SelfCalibratedConvOptions {
  /** Output channels, 4 times the official `planes`. Default: null, as many as the input has. */
  filters?: number | null;
  /** Each half has ⌊filters / 4 · this / 64⌋ channels a group. Default: 32, half of a residual network's bottleneck. */
  bottleneckWidth?: number;
  /** Whether a 3×3 average pooling of both halves takes the stride, in place of their convolutions. Default: false. */
  averageDown?: boolean;
  /** What is added to the branch. Default: null, the identity where the branch keeps the shape, else a projection. */
  shortcut?: SelfCalibratedBottleneckShortcut | null;
}

/**
 * A residual block: one half of its bottleneck is convolved, the other by a {@link SelfCalibratedConv}.
 *
 * Input: `[N, H, W, C]`, H and W at least the pooling rate; output: `[N, ⌈H/stride⌉, ⌈W/stride⌉, filters]`.
 * Attention maps: `calibration` `[N, H, W, width]`, of the calibrated half.
 */
export class SelfCalibratedBottleneck extends Block<SelfCalibratedBottleneckOptions> {
  static override readonly className = 'SaccadeSelfCalibratedBottleneck';
  static override readonly options: Schema<SelfCalibratedBottleneckOptions> = {
    filters: option.optional(option.integer(1)),
    bottleneckWidth: option.number(32),
    averageDown: option.flag(false),
    shortcut: option.optional(option.oneOf(['identity', 'projection', 'pooledProjection'], 'projection')),
    ...SelfCalibratedConv.options,
  };

  protected override readonly minSize = this.options.poolingRate;

  private reduceA!: parts.ConvBatchNorm;
  private reduceB!: parts.ConvBatchNorm;
  private k1!: parts.ConvBatchNorm;
  private calibrated!: SelfCalibratedConv;
  private expand!: parts.ConvBatchNorm;
  private project!: parts.ConvBatchNorm | null;
  private width!: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { bottleneckWidth, averageDown, poolingRate, upsampling, dilation, groups } = this.options;
    const filters = this.options.filters ?? channels;
    this.width = Math.floor((filters / 4) * (bottleneckWidth / 64)) * groups;
    if (this.width < 1) {
      throw new BlockError(
        `${this.title}: bottleneckWidth ${bottleneckWidth} leaves no channel of ${filters} filters. Give a bottleneckWidth of at least ${Math.ceil(256 / filters)}.`,
      );
    }
    const stride = averageDown ? 1 : this.options.stride;
    // He et al.'s initialisation over the outputs, as in the official networks.
    const conv1x1 = (name: string, inputs: number, filters: number, options: Pick<parts.ConvBatchNormOptions, 'stride' | 'activation'> = {}) =>
      parts.convBatchNorm(weights.at(name), inputs, filters, { ...options, kernelSize: 1, kernelInitializer: parts.heNormal(filters) });
    this.reduceA = conv1x1('reduceA', channels, this.width, { activation: 'relu' });
    this.reduceB = conv1x1('reduceB', channels, this.width, { activation: 'relu' });
    const k1 = { kernelSize: 3, stride, dilation, groups, kernelInitializer: parts.heNormal(9 * this.width) };
    this.k1 = parts.convBatchNorm(weights.at('k1'), this.width, this.width, { ...k1, activation: 'relu' });
    this.calibrated = new SelfCalibratedConv({ poolingRate, upsampling, stride, dilation, groups });
    this.calibrated.define(weights.at('calibrated'), [...inputShape.slice(0, -1), this.width]);
    this.expand = conv1x1('expand', 2 * this.width, filters);
    this.project = this.needsProjection(channels, filters)
      ? conv1x1('project', channels, filters, { stride: this.options.shortcut === 'pooledProjection' ? 1 : this.options.stride })
      : null;
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const { averageDown, stride } = this.options;
    const a = this.k1(this.reduceA(x, training), training);
    const b = relu(this.calibrated.forward(this.reduceB(x, training), training));
    const halves = concat([a, b], 3); // [N, ⌈H/stride⌉, ⌈W/stride⌉, 2·width]; with averageDown still [N, H, W, 2·width]
    const branch = this.expand(averageDown ? averageAround(halves, stride) : halves, training);
    return relu(add(branch, this.shortcut(x, training))); // [N, ⌈H/stride⌉, ⌈W/stride⌉, filters]
  }

  override maps(x: Tensor4D): { calibration: Tensor4D } {
    return this.calibrated.maps(this.reduceB(x, false));
  }

  override macs([images, height, width]: readonly number[]): number {
    const { averageDown, stride } = this.options;
    const inputs = images * height * width;
    const outputs = images * Math.ceil(height / stride) * Math.ceil(width / stride);
    const branches = this.k1.macs(averageDown ? inputs : outputs) + this.calibrated.macs([images, height, width, this.width]);
    return this.reduceA.macs(inputs) + this.reduceB.macs(inputs) + branches + this.expand.macs(outputs) + (this.project?.macs(outputs) ?? 0);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { filters, stride } = this.options;
    const shrunk = (size: number | null) => size && Math.ceil(size / stride);
    return [images, shrunk(height), shrunk(width), filters ?? channels];
  }

  private needsProjection(channels: number, filters: number): boolean {
    const { shortcut, stride } = this.options;
    const keepsShape = stride === 1 && filters === channels;
    if (shortcut === 'identity' && !keepsShape) {
      throw new BlockError(
        `${this.title}: option "shortcut" is "identity", but the branch turns ${channels} channels into ${filters} with stride ${stride}. ` +
          'Give "projection" or "pooledProjection", or leave it out.',
      );
    }
    return shortcut === null ? !keepsShape : shortcut !== 'identity';
  }

  private shortcut(x: Tensor4D, training: boolean): Tensor4D {
    const { shortcut, stride } = this.options;
    if (!this.project) return x;
    return this.project(shortcut === 'pooledProjection' ? averageBlocks(x, stride) : x, training);
  }
}

/** The mean of the 3×3 pixels around every stride-th one; outside of the map these are zeros, which count. */
function averageAround(x: Tensor4D, stride: number): Tensor4D {
  return avgPool(framed(x, 1, 1, 1), 3, stride, 'valid');
}

/** The mean of each block of side × side pixels, or of those that are left at the end of a row or a column. */
function averageBlocks(x: Tensor4D, side: number): Tensor4D {
  const [bottom, right] = x.shape.slice(1, 3).map((size) => Math.ceil(size / side) * side - size);
  if (bottom + right === 0) return avgPool(x, side, side, 'valid');
  const means = (map: Tensor4D) => avgPool(framed(map, 0, bottom, right), side, side, 'valid');
  return div(means(x), means(ones([1, x.shape[1], x.shape[2], 1])));
}

function framed(x: Tensor4D, before: number, bottom: number, right: number): Tensor4D {
  const frame: [number, number][] = [
    [0, 0],
    [before, bottom],
    [before, right],
    [0, 0],
  ];
  return pad(x, frame);
}

/** A {@link SelfCalibratedBottleneck} layer. */
export function selfCalibratedBottleneck(options?: BlockArgs<SelfCalibratedBottleneckOptions>): SelfCalibratedBottleneck {
  return new SelfCalibratedBottleneck(options);
}
