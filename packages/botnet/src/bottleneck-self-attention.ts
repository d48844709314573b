/**
 * The self-attention of bottleneck transformers.
 *
 * Srinivas, Lin, Parmar, Shlens, Abbeel, Vaswani. Bottleneck Transformers for Visual Recognition. CVPR 2021. https://arxiv.org/abs/2101.11605
 *
 * Equals lucidrains' `Attention` and timm's `BottleneckAttn`. They differ in whether the logits of positions are divided by √(channels of a head)
 * as those of contents are: in the authors' published code and in lucidrains' they are, in the paper's text and by timm's default they are not
 * (`scalePositions`). There is no output projection.
 */
import {
  addPositions,
  attend,
  attentionRows,
  Block,
  BlockError,
  mergeHeads,
  option,
  splitHeads,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { avgPool, mul, reshape, split, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** `relative`: where a key lies from the query · `absolute`: where a key lies. Both tie a layer to one size of maps. */
export type BottleneckPositions = 'relative' | 'absolute';

export interface BottleneckSelfAttentionOptions {
  /** Output channels, a multiple of the heads. Default: null, as many as the input has. */
  filters?: number | null;
  /** Default: 4. */
  heads?: number;
  /** Channels of a head's queries and keys. Default: null, filters / heads. */
  headChannels?: number | null;
  /** Side and stride of an average pooling of the output. Default: 1, none. */
  stride?: number;
  /** What the logits of positions are of. Default: `relative`. */
  positions?: BottleneckPositions;
  /** Whether the logits of positions are scaled as those of contents are. Default: true. */
  scalePositions?: boolean;
  /** Whether the projection to queries, keys and values has a bias. Default: false. */
  useBias?: boolean;
}

/**
 * Multi-head self-attention among all positions of a map of one size.
 *
 * Input: `[N, H, W, C]`, H and W at least the stride; output: `[N, ⌊H/stride⌋, ⌊W/stride⌋, filters]`.
 * Attention maps: `query` `[N, heads, queries, H·W]`.
 */
export class BottleneckSelfAttention extends Block<BottleneckSelfAttentionOptions> {
  static override readonly className = 'SaccadeBottleneckSelfAttention';
  static override readonly options: Schema<BottleneckSelfAttentionOptions> = {
    filters: option.optional(option.integer(1)),
    heads: option.integer(4),
    headChannels: option.optional(option.integer(1)),
    stride: option.integer(1),
    positions: option.oneOf(['relative', 'absolute'], 'relative'),
    scalePositions: option.flag(true),
    useBias: option.flag(false),
  };

  protected override readonly minSize = this.options.stride;

  private qkv!: parts.Dense;
  private positions!: parts.RelativePositions;
  /** Of queries and of keys, and of values, all heads together. */
  private widths!: { readonly keys: number; readonly values: number };

  override define(weights: WeightScope, inputShape: Shape): void {
    const [, height, width, channels] = inputShape as number[];
    const { heads, positions, useBias } = this.options;
    const filters = this.options.filters ?? channels;
    if (filters % heads !== 0) {
      throw new BlockError(
        `${this.title}: the output has ${filters} channels, which must be a multiple of the ${heads} heads. Give other filters, or other heads.`,
      );
    }
    const headChannels = this.options.headChannels ?? filters / heads;
    this.widths = { keys: heads * headChannels, values: filters };
    this.qkv = parts.dense(weights.at('qkv'), channels, 2 * this.widths.keys + filters, {
      useBias,
      kernelInitializer: initializers.randomNormal({ mean: 0, stddev: 1 / Math.sqrt(channels) }),
    });
    const scale = this.options.scalePositions ? 1 : Math.sqrt(headChannels); // as the queries are divided by it
    this.positions = POSITIONS[positions](weights.at('positions'), [height, width], headChannels, { scale });
  }

  override forward(x: Tensor4D): Tensor4D {
    const { filters, heads, stride } = this.options;
    const { q, k, v } = this.embed(x);
    const attended = mergeHeads(this.positions.attend(q, k, v), heads); // [N, H·W, filters]
    const y: Tensor4D = reshape(attended, [...x.shape.slice(0, 3), filters ?? x.shape[3]] as Tensor4D['shape']);
    return stride === 1 ? y : avgPool(y, stride, stride, 'valid'); // [N, ⌊H/stride⌋, ⌊W/stride⌋, filters]
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor4D } {
    const { q, k } = this.embed(x);
    return { query: reshape(this.positions.rows(q, k, queries), [-1, this.options.heads, queries.length, k.shape[1]]) };
  }

  /** Relative positions are counted as products of the queries with the embeddings of all distances; absolute ones are added to the keys. */
  override macs([images, height, width]: readonly number[]): number {
    const positions = height * width;
    const { keys, values } = this.widths;
    return images * (this.qkv.macs(positions) + this.positions.macs(positions * this.options.heads) + positions ** 2 * (keys + values));
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const { filters, stride } = this.options;
    const pooled = (size: number | null) => size && Math.floor(size / stride);
    return [images, pooled(height), pooled(width), filters ?? channels];
  }

  protected override get sizeTie(): string {
    return `its table of ${this.options.positions} positions is as large as the map`;
  }

  /** Queries, divided by √(channels of a head), keys and values of the heads: `[N·heads, H·W, channels of a head]`. */
  private embed(x: Tensor4D): Record<'q' | 'k' | 'v', Tensor3D> {
    const { heads } = this.options;
    const { keys, values } = this.widths;
    const rows: Tensor3D = reshape(this.qkv(x), [x.shape[0], -1, 2 * keys + values]);
    const [q, k, v] = split<Tensor3D>(rows, [keys, keys, values], 2).map((part) => splitHeads(part, heads));
    return { q: mul(q, 1 / Math.sqrt(keys / heads)), k, v };
  }
}

/** As relative positions, but the embeddings, of each row and of each column, are those of the keys: they can be added to them. */
function absolutePositions(
  weights: WeightScope,
  [height, width]: readonly [height: number, width: number],
  channels: number,
  { scale = 1 }: parts.RelativePositionsOptions,
): parts.RelativePositions {
  const normal = initializers.randomNormal({ mean: 0, stddev: 1 / Math.sqrt(channels) });
  const ofHeight = weights.add('height', [height, channels], normal);
  const ofWidth = weights.add('width', [width, channels], normal);
  const scaled = (table: Weight) => mul(table.read(), scale) as Tensor2D;
  const placed = (k: Tensor3D): Tensor3D => {
    const map: Tensor4D = reshape(k, [k.shape[0], height, width, channels]);
    return reshape(addPositions(map, { rows: scaled(ofHeight), columns: scaled(ofWidth) }), k.shape);
  };
  return {
    attend: (q, k, v) => attend(q, placed(k), v),
    rows: (q, k, queries) => attentionRows(q, placed(k), queries),
    macs: () => 0,
  };
}

const POSITIONS = { relative: parts.relativePositions, absolute: absolutePositions };

/** A {@link BottleneckSelfAttention} layer. */
export function bottleneckSelfAttention(options?: BlockArgs<BottleneckSelfAttentionOptions>): BottleneckSelfAttention {
  return new BottleneckSelfAttention(options);
}
