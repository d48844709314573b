/**
 * Self-calibrated convolution.
 *
 * Liu, Hou, Cheng, Wang, Feng. Improving Convolutional Networks with Self-Calibrated Convolutions. CVPR 2020.
 * https://openaccess.thecvf.com/content_CVPR_2020/html/Liu_Improving_Convolutional_Networks_With_Self-Calibrated_Convolutions_CVPR_2020_paper.html
 *
 * Equals `SCConv` of the official code, github.com/MCG-NKU/SCNet, which deviates from the paper: each convolution is followed by a batch norm,
 * and the pooled features are brought back to size by the nearest neighbour, where the paper interpolates: `upsampling: 'bilinear'`.
 */
import {
  Block,
  BlockError,
  convolvedSize,
  option,
  resizeBilinear,
  resizeNearest,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, avgPool, mul, sigmoid, type Tensor4D } from '@tensorflow/tfjs-core';

const UPSAMPLING = { nearest: resizeNearest, bilinear: resizeBilinear };

export interface SelfCalibratedConvOptions {
  /** Side and stride of the average pooling r that the calibration sees the map through: the least height and width of a map. Default: 4. */
  poolingRate?: number;
  /** How the pooled features are brought back to size: `nearest`, or `bilinear` with corners aligned. Default: `nearest`. */
  upsampling?: 'nearest' | 'bilinear';
  /** Stride of the last convolution. Default: 1. */
  stride?: number;
  /** Distance between two taps of the 3×3 kernels. Default: 1. */
  dilation?: number;
  /** Groups of each convolution: a divisor of the channels. Default: 1. */
  groups?: number;
}

/**
 * A 3×3 convolution whose features are calibrated, before another one, by what a third one finds in the pooled map.
 *
 * Input: `[N, H, W, C]`, H and W at least the pooling rate; output: `[N, ⌈H/stride⌉, ⌈W/stride⌉, C]`.
 * Attention maps: `calibration` `[N, H, W, C]`.
 */
export class SelfCalibratedConv extends Block<SelfCalibratedConvOptions> {
  static override readonly className = 'SaccadeSelfCalibratedConv';
  static override readonly options: Schema<SelfCalibratedConvOptions> = {
    poolingRate: option.integer(4),
    upsampling: option.oneOf(['nearest', 'bilinear'], 'nearest'),
    stride: option.integer(1),
    dilation: option.integer(1),
    groups: option.integer(1),
  };

  protected override readonly minSize = this.options.poolingRate;

  private k2!: parts.ConvBatchNorm;
  private k3!: parts.ConvBatchNorm;
  private k4!: parts.ConvBatchNorm;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { stride, dilation, groups } = this.options;
    if (channels % groups !== 0) {
      throw new BlockError(`${this.title}: option "groups" is ${groups}, but must divide the ${channels} channels. Give a divisor of ${channels}.`);
    }
    // He et al.'s initialisation over the outputs, as in the official networks.
    const convolution = (name: string, stride: number) =>
      parts.convBatchNorm(weights.at(name), channels, channels, {
        kernelSize: 3,
        stride,
        dilation,
        groups,
        kernelInitializer: parts.heNormal(9 * channels),
      });
    this.k2 = convolution('k2', 1);
    this.k3 = convolution('k3', 1);
    this.k4 = convolution('k4', stride);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const calibrated = mul<Tensor4D>(this.k3(x, training), this.calibrate(x, training)); // [N, H, W, C], equation 4
    return this.k4(calibrated, training); // equation 5
  }

  override maps(x: Tensor4D): { calibration: Tensor4D } {
    return { calibration: this.calibrate(x, false) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const { poolingRate, stride } = this.options;
    const pooled = images * Math.floor(height / poolingRate) * Math.floor(width / poolingRate);
    return (
      this.k2.macs(pooled) + this.k3.macs(images * height * width) + this.k4.macs(images * Math.ceil(height / stride) * Math.ceil(width / stride))
    );
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { stride } = this.options;
    return [images, convolvedSize(height, 3, { stride }), convolvedSize(width, 3, { stride }), channels];
  }

  /** The gate of each position and channel, from its own features and those of its pooled surroundings. */
  private calibrate(x: Tensor4D, training: boolean): Tensor4D {
    const { poolingRate, upsampling } = this.options;
    const pooled = avgPool(x, poolingRate, poolingRate, 'valid'); // [N, ⌊H/r⌋, ⌊W/r⌋, C], equation 2
    const context = UPSAMPLING[upsampling](this.k2(pooled, training), [x.shape[1], x.shape[2]]); // [N, H, W, C], equation 3
    return sigmoid(add(x, context));
  }
}

/** A {@link SelfCalibratedConv} layer. */
export function selfCalibratedConv(options?: BlockArgs<SelfCalibratedConvOptions>): SelfCalibratedConv {
  return new SelfCalibratedConv(options);
}
