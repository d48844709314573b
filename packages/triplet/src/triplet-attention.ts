/**
 * Triplet attention.
 *
 * Misra, Nalamada, Arasanipalai, Hou. Rotate to Attend: Convolutional Triplet Attention Module. WACV 2021. https://arxiv.org/abs/2010.03045
 *
 * Equals `TripletAttention` of the official code, github.com/landskape-ai/triplet-attention, which can leave the spatial branch out. The code
 * rotates the map for two of its branches, pools the axis that has become the channels, scales, and rotates back. Here nothing is rotated:
 * pooling the axis where it is gives the same planes, and the mean of three scaled maps is the map scaled by the mean of the gates.
 */
import { Block, channelPools, option, scale, stripPools, type BlockArgs, type Schema, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { expandDims, sigmoid, squeeze, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface TripletAttentionOptions {
  /** Side of the convolutions' kernels, odd. Default: 7. */
  kernelSize?: number;
  /** Whether there is a spatial branch beside the two that join the channels with height and with width. Default: true. */
  spatial?: boolean;
}

/**
 * Scales each value by the mean of three gates, each computed by a convolution from the maximum and the mean over one axis: over the height,
 * over the width and over the channels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `width` `[N, W, C]`, `height` `[N, H, C]`, and with `spatial` also `spatial` `[N, H, W]`.
 */
export class TripletAttention extends Block<TripletAttentionOptions> {
  static override readonly className = 'SaccadeTripletAttention';
  static override readonly options: Schema<TripletAttentionOptions> = {
    kernelSize: option.oddInteger(7),
    spatial: option.flag(true),
  };

  protected override readonly fixesChannels = false;

  private width!: parts.PlaneConvBatchNorm;
  private height!: parts.PlaneConvBatchNorm;
  private spatial!: parts.PlaneConvBatchNorm | null;

  override define(weights: WeightScope): void {
    const { kernelSize } = this.options;
    // He et al.'s initialisation over the outputs, as in the official networks.
    const start = { kernelSize, kernelInitializer: parts.heNormal(kernelSize * kernelSize), momentum: 0.01 };
    const branch = (scope: WeightScope, gammaInitializer = initializers.ones()) => parts.planeConvBatchNorm(scope, 2, { ...start, gammaInitializer });
    this.width = branch(weights.at('width'));
    this.height = branch(weights.at('height'));
    // There its gamma starts at zero, and so the gate at 1/2.
    this.spatial = this.options.spatial ? branch(weights.at('spatial'), initializers.zeros()) : null;
  }

  override forward(x: Tensor, training: boolean): Tensor {
    return scale(x, Object.values(this.logits(x as Tensor4D, training)), { activation: 'sigmoid', join: 'mean' }); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    const { width, height, spatial } = this.logits(x as Tensor4D, false);
    return {
      width: sigmoid(squeeze(width, [1])),
      height: sigmoid(squeeze(height, [2])),
      ...(spatial && { spatial: sigmoid(squeeze(spatial, [3])) }),
    };
  }

  override macs([images, height, width, channels]: readonly number[]): number {
    return images * this.width.macs((height + width) * channels + (this.spatial ? height * width : 0));
  }

  /** Those of the gates, each of which is shared along the axis of size 1. */
  private logits(x: Tensor4D, training: boolean): { width: Tensor; height: Tensor; spatial?: Tensor } {
    const [, height, width] = x.shape;
    const strips = stripPools(x, ['max', 'avg']); // [2, N, H + W, C]
    // The official code has this plane as [C, W], and so are its kernel's axes.
    const ofWidth = this.width(strips, training, { rows: [height, height + width], turned: true }); // [N, W, C]
    const ofHeight = this.height(strips, training, { rows: [0, height] }); // [N, H, C]
    const ofSpace = this.spatial?.(channelPools(x, ['max', 'avg']) as Tensor4D, training); // [N, H, W]
    return { width: expandDims(ofWidth, 1), height: expandDims(ofHeight, 2), ...(ofSpace && { spatial: expandDims(ofSpace, 3) }) };
  }
}

/** A {@link TripletAttention} layer. */
export function tripletAttention(options?: BlockArgs<TripletAttentionOptions>): TripletAttention {
  return new TripletAttention(options);
}
