/**
 * CBAM, the convolutional block attention module.
 *
 * Woo, Park, Lee, Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018. https://arxiv.org/abs/1807.06521
 *
 * Equals `CBAM` of the official code, github.com/Jongchan/attention-module; {@link ChannelGate} and {@link SpatialGate} say where that deviates
 * from the paper. Not interchangeable with timm's `CbamModule`, whose MLP has no biases and whose convolution sees the mean first.
 */
import { Block, option, scale, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import { sigmoid, type Tensor } from '@tensorflow/tfjs-core';
import { ChannelGate, type ChannelGateOptions } from './channel-gate.js';
import { SpatialGate, type SpatialGateOptions } from './spatial-gate.js';

export interface CBAMOptions extends ChannelGateOptions, SpatialGateOptions {
  /** Whether the spatial gate follows the channel gate. Default: true. */
  spatial?: boolean;
}

/**
 * Scales each channel by a {@link ChannelGate}, then each position of the result by a {@link SpatialGate}.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`, and with `spatial` also `spatial` `[N, H, W]`.
 */
export class CBAM extends Block<CBAMOptions> {
  static override readonly className = 'SaccadeCBAM';
  static override readonly options: Schema<CBAMOptions> = {
    ...ChannelGate.options,
    spatial: option.flag(true),
    ...SpatialGate.options,
  };

  private channelGate!: ChannelGate;
  private spatialGate!: SpatialGate | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { reduction, pools, spatial, kernelSize } = this.options;
    this.channelGate = new ChannelGate({ reduction, pools });
    this.channelGate.define(weights.at('channelGate'), inputShape);
    this.spatialGate = spatial ? new SpatialGate({ kernelSize }) : null;
    this.spatialGate?.define(weights.at('spatialGate'));
  }

  override forward(x: Tensor, training: boolean): Tensor {
    const channel = this.channelGate.logits(x); // [N, C]
    const spatial = this.spatialGate?.logits(x, training, channel); // [N, H, W]
    return scale(x, spatial ? [channel, spatial] : channel, { activation: 'sigmoid' }); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    const channel = this.channelGate.logits(x);
    const spatial = this.spatialGate?.logits(x, false, channel);
    return { channel: sigmoid(channel), ...(spatial && { spatial: sigmoid(spatial) }) };
  }

  override macs(inputShape: readonly number[]): number {
    return this.channelGate.macs(inputShape) + (this.spatialGate?.macs(inputShape) ?? 0);
  }
}

/** A {@link CBAM} layer. */
export function cbam(options?: BlockArgs<CBAMOptions>): CBAM {
  return new CBAM(options);
}
