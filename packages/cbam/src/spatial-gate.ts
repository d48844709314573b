/**
 * The spatial attention of CBAM.
 *
 * Woo, Park, Lee, Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018. https://arxiv.org/abs/1807.06521, section 3.2
 *
 * Equals `SpatialGate` of the official code, github.com/Jongchan/attention-module, which deviates from the paper: the maximum comes before
 * the mean, and the convolution, which has no bias, is followed by a batch norm.
 */
import { Block, channelAvgPool, channelMaxPool, convolvePlanes, option, scale, type BlockArgs, type Schema, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { expandDims, sigmoid, squeeze, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface SpatialGateOptions {
  /** Side of the convolution's kernel, odd. Default: 7. */
  kernelSize?: number;
}

/**
 * Scales each position by a gate that a convolution computes from the maximum and the mean of the channels there.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `spatial` `[N, H, W]`. A new layer's gate is 1/2 everywhere.
 */
export class SpatialGate extends Block<SpatialGateOptions> {
  static override readonly className = 'SaccadeCBAMSpatialGate';
  static override readonly options: Schema<SpatialGateOptions> = {
    kernelSize: option.oddInteger(7),
  };

  protected override readonly fixesChannels = false;

  private conv!: parts.Conv2D;
  private norm!: parts.BatchNorm;

  override define(weights: WeightScope): void {
    const { kernelSize } = this.options;
    // As the official networks start: He et al.'s initialisation over the outputs, and a gamma of zero, so that the gate starts at 1/2.
    this.conv = parts.conv2d(weights.at('conv'), 2, 1, { kernelSize, useBias: false, kernelInitializer: parts.heNormal(kernelSize * kernelSize) });
    this.norm = parts.batchNorm(weights.at('norm'), 1, { momentum: 0.01, gammaInitializer: initializers.zeros() });
  }

  override forward(x: Tensor, training: boolean): Tensor {
    return scale(x, this.gate(x, training)); // [N, H, W, C]
  }

  override maps(x: Tensor): { spatial: Tensor } {
    return { spatial: squeeze(this.gate(x, false), [3]) };
  }

  override macs([images, height, width]: readonly number[]): number {
    return this.conv.macs(images * height * width);
  }

  private gate(x: Tensor, training: boolean): Tensor {
    const pooled = [channelMaxPool(x), channelAvgPool(x)] as Tensor3D[]; // [N, H, W] each
    const z = convolvePlanes(pooled, this.conv.kernel.read() as Tensor4D);
    return sigmoid(this.norm(expandDims(z, 3), training)); // [N, H, W, 1], equation 3
  }
}

/** A {@link SpatialGate} layer. */
export function spatialGate(options?: BlockArgs<SpatialGateOptions>): SpatialGate {
  return new SpatialGate(options);
}
