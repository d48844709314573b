/**
 * Position attention, DANet's module over positions.
 *
 * Fu, Liu, Tian, Li, Bao, Fang, Lu. Dual Attention Network for Scene Segmentation. CVPR 2019. https://arxiv.org/abs/1809.02983
 *
 * Equals the authors' `PAM_Module`. The paper leaves open what the code does: queries and keys have an eighth of the channels, values have all
 * of them, and the products of queries and keys are not scaled. The attention among all positions never exists as a whole.
 */
import {
  attend,
  attentionRows,
  Block,
  option,
  reducedChannels,
  rowsOf,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, mul, reshape, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface PositionAttentionOptions {
  /** Reduction ratio of queries and keys, which have C / r channels. Default: 8. */
  reduction?: number;
  /** Channels of queries and keys, instead of a reduction. Default: null. */
  keyChannels?: number | null;
}

/**
 * Adds to each position what it gathers from all positions, by dot-product attention.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `query` `[N, queries, H·W]`.
 */
export class PositionAttention extends Block<PositionAttentionOptions> {
  static override readonly className = 'SaccadePositionAttention';
  static override readonly options: Schema<PositionAttentionOptions> = {
    reduction: option.number(8),
    keyChannels: option.optional(option.integer(1)),
  };

  private query!: parts.Dense;
  private key!: parts.Dense;
  private value!: parts.Dense;
  private gamma!: Weight;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const keyChannels = this.options.keyChannels ?? reducedChannels(this.title, channels, this.options);
    this.query = parts.dense(weights.at('query'), channels, keyChannels);
    this.key = parts.dense(weights.at('key'), channels, keyChannels);
    this.value = parts.dense(weights.at('value'), channels, channels);
    // 0, so that the block starts as the identity.
    this.gamma = weights.add('gamma', [1], initializers.zeros());
  }

  override forward(x: Tensor4D): Tensor4D {
    const rows = rowsOf(x);
    const context = attend(this.query(rows), this.key(rows), this.value(rows)); // [N, H·W, C]
    return add(mul(this.gamma.read(), reshape(context, x.shape)), x); // equation 2
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor } {
    const rows = rowsOf(x);
    return { query: attentionRows(this.query(rows), this.key(rows), queries) }; // equation 1
  }

  override macs([batch, height, width, channels]: readonly number[]): number {
    const positions = height * width;
    const projections = this.query.macs(positions) + this.key.macs(positions) + this.value.macs(positions);
    const keyChannels = this.query.macs() / channels;
    return batch * (projections + positions * positions * (keyChannels + channels));
  }
}

// [N, H, W, C] → [N, H·W, C]
/** A {@link PositionAttention} layer. */
export function positionAttention(options?: BlockArgs<PositionAttentionOptions>): PositionAttention {
  return new PositionAttention(options);
}
