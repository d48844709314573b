/**
 * The channel attention of CBAM.
 *
 * Woo, Park, Lee, Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018. https://arxiv.org/abs/1807.06521, section 3.1
 *
 * Equals `ChannelGate` of the official code, github.com/Jongchan/attention-module. The paper writes the MLP without biases, the code has them.
 */
import {
  Block,
  channelsOf,
  globalAvgPool,
  globalLogSumExpPool,
  globalLpPool,
  globalMaxPool,
  option,
  reducedChannels,
  scale,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, reshape, sigmoid, sum, type Tensor } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

const POOLS = { avg: globalAvgPool, max: globalMaxPool, lp: (x: Tensor) => globalLpPool(x, 2), logSumExp: globalLogSumExpPool } as const;
/** How the positions of a channel are pooled: their mean, their maximum, √Σx² or log Σ exp x. */
export type ChannelGatePool = keyof typeof POOLS;

export interface ChannelGateOptions {
  /** Reduction ratio r: the hidden layer of the MLP has C / r units, rounded down. Default: 16. */
  reduction?: number;
  /** The poolings whose results go through the MLP and are summed: `avg`, `max`, `lp` (the 2-norm), `logSumExp`. Default: `['avg', 'max']`. */
  pools?: readonly ChannelGatePool[];
}

/**
 * Scales each channel by a gate that an MLP, the same for all poolings, computes from the poolings of all channels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`.
 */
export class ChannelGate extends Block<ChannelGateOptions> {
  static override readonly className = 'SaccadeCBAMChannelGate';
  static override readonly options: Schema<ChannelGateOptions> = {
    reduction: option.number(16),
    pools: option.someOf(Object.keys(POOLS) as ChannelGatePool[], ['avg', 'max']),
  };

  private mlp!: parts.Bottleneck;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const hidden = reducedChannels(this.title, channels, this.options);
    // The official networks set all biases to zero, and leave these kernels as PyTorch makes them.
    const start = { biasInitializer: initializers.zeros() };
    this.mlp = parts.bottleneck(weights, channels, hidden, { reduce: start, expand: start });
  }

  override forward(x: Tensor): Tensor {
    return scale(x, this.gate(x)); // [N, H, W, C]
  }

  override maps(x: Tensor): { channel: Tensor } {
    return { channel: this.gate(x) };
  }

  override macs([images]: readonly number[]): number {
    return this.mlp.macs(images * this.options.pools.length);
  }

  private gate(x: Tensor): Tensor {
    const { pools } = this.options;
    const pooled = concat(
      pools.map((pool) => POOLS[pool](x)),
      0,
    ); // [pools·N, C]: the MLP is shared, so all go through it at once
    const z = this.mlp(pooled);
    return sigmoid(sum(reshape(z, [pools.length, x.shape[0], channelsOf(x)]), 0)); // [N, C], equation 2
  }
}

/** A {@link ChannelGate} layer. */
export function channelGate(options?: BlockArgs<ChannelGateOptions>): ChannelGate {
  return new ChannelGate(options);
}
