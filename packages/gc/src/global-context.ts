/**
 * The global context block.
 *
 * Cao, Xu, Lin, Wei, Hu. GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond. ICCV Workshops 2019.
 * https://arxiv.org/abs/1904.11492
 *
 * Equals the official `ContextBlock`, which mmcv has unchanged. The paper's block pools by attention and fuses by addition; the other
 * pooling and fusions are those of its ablations. The last layer of each branch starts at zero: an added context changes nothing at the
 * start, and a multiplied one halves, sigmoid(0) being 1/2.
 */
import {
  Block,
  globalAvgPool,
  option,
  reducedChannels,
  scale,
  shift,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { sigmoid, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** How a context is pooled from all positions. */
export type Pooling = 'attention' | 'avg';
/** How a context comes back to all positions: `multiply` as a sigmoid gate. */
export type Fusion = 'add' | 'multiply';

export interface GlobalContextOptions {
  /** Reduction ratio r: the bottleneck has C / r channels, rounded down. Default: 16. */
  reduction?: number;
  /** Channels of the bottleneck, instead of a reduction. Default: null. */
  width?: number | null;
  /** What pools the context: an attention map, or the mean. Default: `attention`. */
  pooling?: Pooling;
  /** What the context does to every position; with both, it first multiplies and then adds, in whichever order they are given. Default: `['add']`. */
  fusions?: readonly Fusion[];
}

/**
 * Pools one context an image by an attention map that all positions share, transforms it by a small bottleneck, and adds it to every position.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `spatial` `[N, H, W]` where pooled by attention; `channel` `[N, C]`, the gate, where multiplied.
 */
export class GlobalContext extends Block<GlobalContextOptions> {
  static override readonly className = 'SaccadeGlobalContext';
  static override readonly options: Schema<GlobalContextOptions> = {
    reduction: option.number(16),
    width: option.optional(option.integer(1)),
    pooling: option.oneOf(['attention', 'avg'], 'attention'),
    fusions: option.someOf(['add', 'multiply'], ['add']),
  };

  private attention?: parts.AttentionPool;
  private add?: parts.Bottleneck;
  private multiply?: parts.Bottleneck;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { pooling, fusions } = this.options;
    const width = this.options.width ?? reducedChannels(this.title, channels, this.options);
    if (pooling === 'attention')
      this.attention = parts.attentionPool(weights.at('mask'), channels, {
        kernelInitializer: parts.heNormal(channels),
        biasInitializer: initializers.zeros(),
      });
    if (fusions.includes('add')) this.add = transform(weights.at('add'), channels, width);
    if (fusions.includes('multiply')) this.multiply = transform(weights.at('multiply'), channels, width);
  }

  override forward(x: Tensor): Tensor {
    const context = this.context(x); // [N, C]
    const scaled = this.multiply ? scale(x, this.multiply(context), { activation: 'sigmoid' }) : x;
    return this.add ? shift(scaled, this.add(context)) : scaled; // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    return {
      ...(this.attention && { spatial: this.attention.map(x) }),
      ...(this.multiply && { channel: sigmoid(this.multiply(this.context(x))) }),
    };
  }

  override macs([batch, height, width]: readonly number[]): number {
    return batch * ((this.attention?.macs(height * width) ?? 0) + (this.add?.macs() ?? 0) + (this.multiply?.macs() ?? 0));
  }

  private context(x: Tensor): Tensor2D {
    return this.attention ? this.attention(x) : globalAvgPool(x);
  }
}

/** The transform of a context, a bottleneck with layer normalisation. */
function transform(weights: WeightScope, channels: number, width: number): parts.Bottleneck {
  const zeros = { kernelInitializer: initializers.zeros(), biasInitializer: initializers.zeros() };
  return parts.bottleneck(weights, channels, width, { norm: 'layer', expand: zeros });
}

/** A {@link GlobalContext} layer. */
export function globalContext(options?: BlockArgs<GlobalContextOptions>): GlobalContext {
  return new GlobalContext(options);
}
