/**
 * The simplified non-local block: the step from the non-local block to the global context block, equation 2 of
 *
 * Cao, Xu, Lin, Wei, Hu. GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond. ICCV Workshops 2019.
 * https://arxiv.org/abs/1904.11492
 *
 * Equals the authors' `ContextBlock(simple=True)` of DNL-Object-Detection. That code transforms every position and then pools; here, as in
 * the paper, the pooled context alone is transformed. The result is the same, since the attention does not depend on the query.
 */
import { Block, shift, sizeOf, type BlockArgs, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/**
 * Pools one context an image by an attention map that all positions share, maps it linearly, and adds it to every position.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `spatial` `[N, H, W]`. The block has no options of its own.
 */
export class SimplifiedNonLocal extends Block<object> {
  static override readonly className = 'SaccadeSimplifiedNonLocal';
  static override readonly options = {};

  private attention!: parts.AttentionPool;
  private value!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const kernelInitializer = initializers.randomNormal({ mean: 0, stddev: 0.01 });
    this.attention = parts.attentionPool(weights.at('mask'), channels, { kernelInitializer, biasInitializer: initializers.zeros() });
    this.value = parts.dense(weights.at('value'), channels, channels, { useBias: false, kernelInitializer });
  }

  override forward(x: Tensor): Tensor {
    return shift(x, this.value(this.attention(x)));
  }

  override maps(x: Tensor): { spatial: Tensor } {
    return { spatial: this.attention.map(x) };
  }

  /** Of the definition, which maps the value of every position; what runs here is a position's worth of that. */
  override macs(inputShape: readonly number[]): number {
    const positions = sizeOf(inputShape.slice(0, -1));
    return this.attention.macs(positions) + this.value.macs(positions);
  }
}

/** A {@link SimplifiedNonLocal} layer. */
export function simplifiedNonLocal(options?: BlockArgs<object>): SimplifiedNonLocal {
  return new SimplifiedNonLocal(options);
}
