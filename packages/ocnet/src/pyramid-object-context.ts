/**
 * Object context pooling within the cells of grids, Pyramid-OC.
 *
 * Yuan, Huang, Guo, Zhang, Chen, Wang. OCNet: Object Context for Semantic Segmentation. IJCV 2021. https://arxiv.org/abs/1809.00916
 *
 * Equals the authors' `Pyramid_OC_Module`, with batch norm and a leaky ReLU in place of InPlaceABN, which scales by |gamma| + 1e-5 where batch
 * norm scales by gamma. Where a map does not divide into a grid, its last row and column of cells are the larger ones, as in the code.
 */
import { Block, channelDropout, option, reducedChannels, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import { concat, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { activatedConv, type ActivatedConv } from './activated-conv.js';
import { objectAttention, type ObjectAttention } from './object-attention.js';

export interface PyramidObjectContextOptions {
  /** For each, attention within the cells of a grid of so many by so many. Default: [1, 2, 3, 6]. */
  sizes?: readonly number[];
  /** Rate at which channels of the output are dropped in training. Default: 0.05. */
  dropout?: number;
}

/**
 * Joins each position's features with those of the positions that are alike, in ever smaller parts of the image.
 *
 * Input and output: `[N, H, W, C]`, with at least as many rows and columns as the largest of the sizes. Attention maps: `query`, and `query1`,
 * `query2`, … of the sizes after the first, each `[N, queries, H·W]`, 0 outside of the query's cell.
 */
export class PyramidObjectContext extends Block<PyramidObjectContextOptions> {
  static override readonly className = 'SaccadePyramidObjectContext';
  static override readonly options: Schema<PyramidObjectContextOptions> = {
    sizes: option.listOf(option.integer(1), [1, 2, 3, 6]),
    dropout: option.dropoutRate(0.05),
  };

  protected override readonly minSize = Math.max(...this.options.sizes);

  private stages!: ObjectAttention[];
  private widen!: ActivatedConv;
  private fuse!: ActivatedConv;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { sizes } = this.options;
    const keyChannels = reducedChannels(this.title, channels, { reduction: 2, minChannels: 1 });
    this.stages = sizes.map((grid, i) => objectAttention(weights.at(`stage${i}`), channels, { keyChannels, valueChannels: channels, grid }));
    // As wide as all contexts together.
    this.widen = activatedConv(weights.at('widen'), channels, channels * sizes.length);
    this.fuse = activatedConv(weights.at('fuse'), 2 * channels * sizes.length, channels);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const contexts = this.stages.map((stage) => stage(x, training)); // each [N, H, W, C]
    const y = this.fuse(concat([this.widen(x, training), ...contexts], 3), training);
    const { dropout } = this.options;
    return training && dropout > 0 ? channelDropout(y, dropout) : y;
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    return Object.fromEntries(this.stages.map((stage, i) => [i === 0 ? 'query' : `query${i}`, stage.rows(x, queries)]));
  }

  override macs(inputShape: readonly number[]): number {
    const [batch, height, width] = inputShape;
    const positions = batch * height * width;
    return this.stages.reduce((sum, stage) => sum + stage.macs(inputShape), this.widen.macs(positions) + this.fuse.macs(positions));
  }
}

/** A {@link PyramidObjectContext} layer. */
export function pyramidObjectContext(options?: BlockArgs<PyramidObjectContextOptions>): PyramidObjectContext {
  return new PyramidObjectContext(options);
}
