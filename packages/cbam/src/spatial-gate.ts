/**
 * The spatial attention of CBAM.
 *
 * Woo, Park, Lee, Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018. https://arxiv.org/abs/1807.06521, section 3.2
 *
 * Equals `SpatialGate` of the official code, github.com/Jongchan/attention-module, which deviates from the paper: the maximum comes before
 * the mean, and the convolution, which has no bias, is followed by a batch norm.
 */
import { Block, channelPools, option, scale, type BlockArgs, type Schema, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { sigmoid, type Tensor, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
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

  private conv!: parts.PlaneConvBatchNorm;

  override define(weights: WeightScope): void {
    const { kernelSize } = this.options;
    // As the official networks start: He et al.'s initialisation over the outputs, and a gamma of zero, so that the gate starts at 1/2.
    const start = { kernelInitializer: parts.heNormal(kernelSize * kernelSize), gammaInitializer: initializers.zeros() };
    this.conv = parts.planeConvBatchNorm(weights, 2, { kernelSize, momentum: 0.01, ...start });
  }

  override forward(x: Tensor, training: boolean): Tensor {
    return scale(x, this.logits(x, training), { activation: 'sigmoid' }); // [N, H, W, C]
  }

  override maps(x: Tensor): { spatial: Tensor } {
    return { spatial: sigmoid(this.logits(x, false)) };
  }

  override macs([images, height, width]: readonly number[]): number {
    return this.conv.macs(images * height * width);
  }

  /**
   * Those of the gate, `[N, H, W]`: equation 3, before its sigmoid.
   *
   * @param channel logits `[N, C]` of a channel gate that goes before; what it lets through of x is never written
   */
  logits(x: Tensor, training: boolean, channel?: Tensor2D): Tensor3D {
    return this.conv(channelPools(x, ['max', 'avg'], channel, channel && 'sigmoid') as Tensor4D, training);
  }
}

/** A {@link SpatialGate} layer. */
export function spatialGate(options?: BlockArgs<SpatialGateOptions>): SpatialGate {
  return new SpatialGate(options);
}
