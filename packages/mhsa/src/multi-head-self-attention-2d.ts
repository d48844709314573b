/**
 * Multi-head self-attention among the positions of a map, with absolute positions.
 *
 * Vaswani et al. Attention Is All You Need. NeurIPS 2017. https://arxiv.org/abs/1706.03762
 * Carion, Massa, Synnaeve, Usunier, Kirillov, Zagoruyko. End-to-End Object Detection with Transformers. ECCV 2020. https://arxiv.org/abs/2005.12872
 *
 * By default the attention of DETR's encoder: PyTorch's `nn.MultiheadAttention`, the normalised sine encoding added to what queries and keys are
 * projected from, but not to what values are. With `sinCos` positions added to all, the attention of MAE's first block: timm's `Attention`.
 * Residual and layer norm, which stand outside of these modules, are left to the network.
 */
import {
  addPositions,
  attend,
  attentionRows,
  Block,
  BlockError,
  mergeHeads,
  option,
  showShape,
  sinCosPositions,
  sinePositions,
  splitHeads,
  type BlockArgs,
  type Positions,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, reshape, slice, zeros, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** How positions are encoded: `sine`, `sineNormalised` and `learned` as DETR does, `sinCos` as MAE does. */
export type PositionEncoding = 'none' | 'sine' | 'sineNormalised' | 'learned' | 'sinCos';
/** What the encoding is added to: to what queries and keys are projected from (DETR), or to the whole input (ViT, MAE). */
export type PositionTarget = 'queriesAndKeys' | 'all';

export interface MultiHeadSelfAttention2DOptions {
  /** The number of heads. Default: 8. */
  heads?: number;
  /** Channels of each head. Default: null, C / heads. */
  headChannels?: number | null;
  /** How positions are encoded. Default: `sineNormalised`. */
  positions?: PositionEncoding;
  /** What the encoding is added to. Default: `queriesAndKeys`. */
  positionsAddedTo?: PositionTarget;
  /** The base of the frequencies of `sine` and `sineNormalised`. Default: 10000. */
  temperature?: number;
  /** The most rows, and the most columns, that `learned` positions know. Default: 50. */
  maxSize?: number;
  /** Whether the projections to queries, keys and values have a bias. Default: true. */
  useBias?: boolean;
  /** Whether the output projection has a bias; null for as the others. Default: null. */
  useOutputBias?: boolean | null;
}

/**
 * Gives each position a mixture of the values at all positions, weighed in each head by the products of its query with their keys.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `query` `[N, heads, queries, H·W]`.
 */
export class MultiHeadSelfAttention2D extends Block<MultiHeadSelfAttention2DOptions> {
  static override readonly className = 'SaccadeMultiHeadSelfAttention2D';
  static override readonly options: Schema<MultiHeadSelfAttention2DOptions> = {
    heads: option.integer(8),
    headChannels: option.optional(option.integer(1)),
    positions: option.oneOf(['none', 'sine', 'sineNormalised', 'learned', 'sinCos'], 'sineNormalised'),
    positionsAddedTo: option.oneOf(['queriesAndKeys', 'all'], 'queriesAndKeys'),
    temperature: option.number(10_000),
    maxSize: option.integer(50),
    useBias: option.flag(true),
    useOutputBias: option.optional(option.flag(true)),
  };

  private query!: parts.Dense;
  private key!: parts.Dense;
  private value!: parts.Dense;
  private out!: parts.Dense;
  /** What learned positions give each row and each column, half of the channels each. */
  private learned?: Record<'rows' | 'columns', Weight>;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { positions, maxSize, useBias, useOutputBias } = this.options;
    const inner = this.innerChannels(channels);
    const biasInitializer = initializers.zeros();
    // Glorot and Bengio's, of the three projections as one, as PyTorch has them.
    const limit = Math.sqrt(6 / (channels + 3 * inner));
    const kernelInitializer = initializers.randomUniform({ minval: -limit, maxval: limit });
    const projection = (name: string) => parts.dense(weights.at(name), channels, inner, { useBias, kernelInitializer, biasInitializer });
    [this.query, this.key, this.value] = [projection('query'), projection('key'), projection('value')];
    this.out = parts.dense(weights.at('out'), inner, channels, { useBias: useOutputBias ?? useBias, biasInitializer });
    if (positions === 'learned') {
      const table = (name: string) =>
        weights.at('positions').add(name, [maxSize, channels / 2], initializers.randomUniform({ minval: 0, maxval: 1 }));
      this.learned = { rows: table('rows'), columns: table('columns') };
    }
  }

  override forward(x: Tensor4D): Tensor4D {
    const { q, k, v } = this.project(x); // [N·heads, H·W, D]
    const y = mergeHeads(attend(q, k, v, { scale: scaleOf(q) }), this.options.heads); // [N, H·W, heads·D]
    return this.out(reshape(y, [...x.shape.slice(0, -1), y.shape[2]] as Tensor4D['shape']));
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor4D } {
    const { q, k } = this.project(x);
    const rows = attentionRows(q, k, queries, { scale: scaleOf(q) });
    return { query: reshape(rows, [x.shape[0], this.options.heads, queries.length, k.shape[1]]) };
  }

  override macs([images, height, width, channels]: readonly number[]): number {
    const positions = height * width;
    const projections = [this.query, this.key, this.value, this.out].reduce((sum, map) => sum + map.macs(positions), 0);
    return images * (projections + 2 * positions * positions * this.innerChannels(channels));
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const received = `${this.title}: the input has shape ${showShape(shape)}`;
    const { heads, headChannels, positions, maxSize } = this.options;
    const [, height, width, channels] = shape as [unknown, number | null, number | null, number];
    if (headChannels === null && channels % heads !== 0) {
      throw new BlockError(
        `${received}, whose ${channels} channels do not make ${heads} heads of equal size. Give option "heads" a divisor of ${channels}, or set "headChannels".`,
      );
    }
    const multiple = { none: 1, learned: 2, sine: 4, sineNormalised: 4, sinCos: 4 }[positions];
    if (channels % multiple !== 0) {
      throw new BlockError(
        `${received}, but with positions "${positions}" the number of channels must be a multiple of ${multiple}. Give such a number, or other positions.`,
      );
    }
    if (positions === 'learned' && Math.max(height ?? 0, width ?? 0) > maxSize) {
      throw new BlockError(
        `${received}, but with positions "learned" at most ${maxSize} rows and columns are known. Set option "maxSize" to ${Math.max(height ?? 0, width ?? 0)}, or give other positions.`,
      );
    }
  }

  private project(x: Tensor4D): Record<'q' | 'k' | 'v', Tensor3D> {
    const [images, height, width] = x.shape;
    const { heads, positionsAddedTo } = this.options;
    const encoding = this.encoding(x);
    const placed = encoding ? addPositions(x, encoding) : x;
    const split = (map: parts.Dense, x: Tensor4D) => splitHeads(reshape(map(x), [images, height * width, -1]), heads);
    return { q: split(this.query, placed), k: split(this.key, placed), v: split(this.value, positionsAddedTo === 'all' ? placed : x) };
  }

  private encoding({ shape: [, height, width, channels] }: Tensor4D): Positions | null {
    const { positions, temperature } = this.options;
    switch (positions) {
      case 'none':
        return null;
      case 'sinCos':
        return sinCosPositions([height, width], channels);
      case 'learned': {
        const rows = slice(this.learned!.rows.read() as Tensor2D, [0, 0], [height, -1]);
        const columns = slice(this.learned!.columns.read() as Tensor2D, [0, 0], [width, -1]);
        // The columns come first, unlike in the sine encoding.
        return { rows: concat([zeros(rows.shape), rows], 1), columns: concat([columns, zeros(columns.shape)], 1) };
      }
      default:
        return sinePositions([height, width], channels, { temperature, normalise: positions === 'sineNormalised' });
    }
  }

  private innerChannels(channels: number): number {
    const { heads, headChannels } = this.options;
    return heads * (headChannels ?? channels / heads);
  }
}

function scaleOf(q: Tensor3D): number {
  return 1 / Math.sqrt(q.shape[2]);
}

/** A {@link MultiHeadSelfAttention2D} layer. */
export function multiHeadSelfAttention2D(options?: BlockArgs<MultiHeadSelfAttention2DOptions>): MultiHeadSelfAttention2D {
  return new MultiHeadSelfAttention2D(options);
}
