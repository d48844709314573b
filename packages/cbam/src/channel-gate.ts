/**
 * The channel attention of CBAM.
 *
 * Woo, Park, Lee, Kweon. CBAM: Convolutional Block Attention Module. ECCV 2018. https://arxiv.org/abs/1807.06521, section 3.1
 *
 * Equals `ChannelGate` of the official code, github.com/Jongchan/attention-module. The paper writes the MLP without biases, the code has them.
 */
import {
  Block,
  globalAvgPool,
  globalLogSumExpPool,
  globalLpPool,
  globalMaxPool,
  globalPools,
  option,
  reducedChannels,
  scale,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { sigmoid, stack, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
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
    return scale(x, this.logits(x), { activation: 'sigmoid' }); // [N, H, W, C]
  }

  override maps(x: Tensor): { channel: Tensor } {
    return { channel: sigmoid(this.logits(x)) };
  }

  override macs([images]: readonly number[]): number {
    return this.mlp.macs(images * this.options.pools.length);
  }

  /** Those of the gate, `[N, C]`: equation 2, before its sigmoid. */
  logits(x: Tensor): Tensor2D {
    return this.mlp.summed(this.pool(x));
  }

  /** `[pools, N, C]`: the MLP is shared, so all go through it at once. */
  private pool(x: Tensor): Tensor3D {
    const { pools } = this.options;
    if (pools.every((pool) => pool === 'avg' || pool === 'max')) return globalPools(x, pools);
    return stack(pools.map((pool) => POOLS[pool](x))) as Tensor3D;
  }
}

/** A {@link ChannelGate} layer. */
export function channelGate(options?: BlockArgs<ChannelGateOptions>): ChannelGate {
  return new ChannelGate(options);
}
