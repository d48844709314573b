/**
 * Criss-cross attention, once or recurrently.
 *
 * Huang, Wang, Huang, Huang, Wei, Liu. CCNet: Criss-Cross Attention for Semantic Segmentation. ICCV 2019. https://arxiv.org/abs/1811.11721
 *
 * Equals the authors' `CrissCrossAttention`, applied `recurrence` times. The paper leaves open what the code does: a position counts once
 * among its column and row, the products of queries and keys are not scaled, and the residual, weighted by gamma, is inside every loop.
 */
import {
  Block,
  crissCross,
  crissCrossRows,
  option,
  reducedChannels,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, mul, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface CrissCrossAttentionOptions {
  /** Loops R, all with the same weights: after two, each position has seen all others. Default: 2. */
  recurrence?: number;
  /** Reduction ratio of queries and keys, which have C / r channels. Default: 8. */
  reduction?: number;
  /** Channels of queries and keys, instead of a reduction. Default: null. */
  keyChannels?: number | null;
}

/**
 * Adds to each position what it gathers from the positions of its column and its row, by dot-product attention.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `query`, and `query1`, `query2`, … of the loops after the first, each
 * `[N, queries, H + W]`: the weights of the query's column, 0 at the query itself, and then those of its row.
 */
export class CrissCrossAttention extends Block<CrissCrossAttentionOptions> {
  static override readonly className = 'SaccadeCrissCrossAttention';
  static override readonly options: Schema<CrissCrossAttentionOptions> = {
    recurrence: option.integer(2),
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
    let h = x;
    for (let loop = 0; loop < this.options.recurrence; loop++) h = this.gather(h);
    return h; // [N, H, W, C]
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    const maps: Record<string, Tensor> = {};
    let h = x;
    for (let loop = 0; loop < this.options.recurrence; loop++) {
      if (loop > 0) h = this.gather(h);
      maps[loop === 0 ? 'query' : `query${loop}`] = crissCrossRows(this.query(h), this.key(h), queries);
    }
    return maps;
  }

  override macs([batch, height, width, channels]: readonly number[]): number {
    const positions = batch * height * width;
    const projections = this.query.macs(positions) + this.key.macs(positions) + this.value.macs(positions);
    const keyChannels = this.query.macs() / channels;
    return this.options.recurrence * (projections + positions * (height + width) * (keyChannels + channels));
  }

  /** One loop, equations 1 and 2: gamma · (column + row) + x */
  private gather(x: Tensor4D): Tensor4D {
    const context = crissCross(this.query(x), this.key(x), this.value(x)); // [N, H, W, C]
    return add(mul(this.gamma.read(), context), x);
  }
}

/** A {@link CrissCrossAttention} layer. */
export function crissCrossAttention(options?: BlockArgs<CrissCrossAttentionOptions>): CrissCrossAttention {
  return new CrissCrossAttention(options);
}
