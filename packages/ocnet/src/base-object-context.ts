/**
 * Object context pooling over the whole map, Base-OC.
 *
 * Yuan, Huang, Guo, Zhang, Chen, Wang. OCNet: Object Context for Semantic Segmentation. IJCV 2021. https://arxiv.org/abs/1809.00916
 *
 * Equals the authors' `BaseOC_Module`, and with `concatInput: false` their `BaseOC_Context_Module`, with batch norm and a leaky ReLU in place of
 * InPlaceABN, which scales by |gamma| + 1e-5 where batch norm scales by gamma. As in the code, queries and keys come from one and the same transform,
 * whose statistics each training step updates twice, and results of pooled maps are resized with corners aligned.
 */
import {
  Block,
  channelDropout,
  option,
  reducedChannels,
  resizeBilinear,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import { addN, concat, maxPool, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { activatedConv, type ActivatedConv } from './activated-conv.js';
import { objectAttention, type ObjectAttention } from './object-attention.js';

export interface BaseObjectContextOptions {
  /** For each, attention on the map max-pooled by it, its result resized to the map; they sum up. Default: [1], attention on the map itself. */
  sizes?: readonly number[];
  /** Channels of queries and keys. Default: null, half of the input's. */
  keyChannels?: number | null;
  /** Channels of values. Default: null, half of the input's. */
  valueChannels?: number | null;
  /** Whether the last convolution sees the input beside its context. Default: true. */
  concatInput?: boolean;
  /** Rate at which channels of the output are dropped in training. Default: 0.05. The official code has none without the input. */
  dropout?: number;
}

/**
 * Joins each position's features with those of the positions that are alike: with its object's.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `query`, and `query1`, `query2`, … of the sizes after the first, each `[N, queries, keys]`. Of a
 * pooled map, the queries are the windows that the given ones lie in, each once.
 */
export class BaseObjectContext extends Block<BaseObjectContextOptions> {
  static override readonly className = 'SaccadeBaseObjectContext';
  static override readonly options: Schema<BaseObjectContextOptions> = {
    sizes: option.listOf(option.integer(1), [1]),
    keyChannels: option.optional(option.integer(1)),
    valueChannels: option.optional(option.integer(1)),
    concatInput: option.flag(true),
    dropout: option.dropoutRate(0.05),
  };

  protected override readonly minSize = Math.max(...this.options.sizes);

  private stages!: ObjectAttention[];
  private fuse!: ActivatedConv;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const half = reducedChannels(this.title, channels, { reduction: 2, minChannels: 1 });
    const { sizes, keyChannels, valueChannels, concatInput } = this.options;
    const widths = { keyChannels: keyChannels ?? half, valueChannels: valueChannels ?? half };
    this.stages = sizes.map((_, i) => objectAttention(weights.at(`stage${i}`), channels, widths));
    this.fuse = activatedConv(weights.at('fuse'), concatInput ? 2 * channels : channels, channels);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const { sizes, concatInput, dropout } = this.options;
    const [, height, width] = x.shape;
    const contexts = sizes.map((size, i) => {
      const context = this.stages[i](pooled(x, size), training); // [N, ⌊H / size⌋, ⌊W / size⌋, C]
      return size > 1 ? resizeBilinear(context, [height, width]) : context;
    });
    const context = addN(contexts); // [N, H, W, C]
    const y = this.fuse(concatInput ? concat([context, x], 3) : context, training);
    return training && dropout > 0 ? channelDropout(y, dropout) : y;
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    const maps = this.options.sizes.map((size, i) => {
      const map = this.stages[i].rows(pooled(x, size), windowsOf(queries, x, size));
      return [i === 0 ? 'query' : `query${i}`, map] as const;
    });
    return Object.fromEntries(maps);
  }

  override macs([batch, height, width]: readonly number[]): number {
    const stages = this.options.sizes.map((size, i) => this.stages[i].macs([batch, Math.floor(height / size), Math.floor(width / size)]));
    return stages.reduce((sum, macs) => sum + macs, this.fuse.macs(batch * height * width));
  }
}

function pooled(x: Tensor4D, size: number): Tensor4D {
  return size > 1 ? maxPool(x, size, size, 'valid') : x;
}

/** The windows that positions lie in, each once; the last of a row or column also takes what the pooling leaves out. */
function windowsOf(positions: readonly number[], { shape: [, height, width] }: Tensor4D, size: number): number[] {
  const [rows, columns] = [Math.floor(height / size), Math.floor(width / size)];
  const windows = positions.map((position) => {
    const row = Math.min(Math.floor(position / width / size), rows - 1);
    const column = Math.min(Math.floor((position % width) / size), columns - 1);
    return row * columns + column;
  });
  return [...new Set(windows)];
}

/** A {@link BaseObjectContext} layer. */
export function baseObjectContext(options?: BlockArgs<BaseObjectContextOptions>): BaseObjectContext {
  return new BaseObjectContext(options);
}
