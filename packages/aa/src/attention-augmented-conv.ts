/**
 * Attention-augmented convolution.
 *
 * Bello, Zoph, Vaswani, Shlens, Le. Attention Augmented Convolutional Networks. ICCV 2019. https://arxiv.org/abs/1904.09925
 *
 * Equals the code in the paper's appendix, whose projection gives keys, queries and values in this order (in the paper's first version, and in
 * most ports of it, queries, keys and values). That code gives the standard deviation of the embeddings as their mean; here they start as meant.
 * It knows no stride: with one, the attention sees the input through a 3×3 average pooling, by which the paper makes maps smaller for
 * attention. Its tables are then as large as the output, as the published 25.8 M parameters of a ResNet-50 imply.
 */
import {
  attend,
  attentionRows,
  Block,
  BlockError,
  localAvgPool,
  mergeHeads,
  option,
  reducedChannels,
  splitHeads,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { concat, mul, reshape, split, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface AttentionAugmentedConvOptions {
  /** Output channels, of convolution and attention together. Default: null, as many as the input has. */
  filters?: number | null;
  /** Side of the convolution's kernel, odd. Default: 3. */
  kernelSize?: number;
  /** Of the convolution, and of the pooling before the attention. Default: 1. */
  stride?: number;
  /** Heads of the attention. Default: 8. */
  heads?: number;
  /** κ: the share of `filters` that queries and keys have as channels, rounded to a multiple of the heads. Default: 0.2. */
  keyRatio?: number;
  /** υ: the share of `filters` that come from the attention, rounded to a multiple of the heads. Default: 0.1. */
  valueRatio?: number;
  /** The least channels of a head's queries and keys, whatever `keyRatio` makes. Default: 20. */
  minHeadChannels?: number;
  /** Channels of queries and keys, instead of a ratio: a multiple of the heads. Default: null. */
  keyChannels?: number | null;
  /** Output channels that come from the attention, instead of a ratio: a multiple of the heads. With all of them there is no convolution. Default: null. */
  valueChannels?: number | null;
  /** What the attention knows of positions: where a key lies `relative` to the query, which ties the layer to one size of maps, or nothing. Default: `relative`. */
  positions?: 'relative' | 'none';
  /** Whether the convolution and the projections have a bias. Default: true. */
  useBias?: boolean;
}

/**
 * A convolution, some of whose output channels come from multi-head self-attention among all positions.
 *
 * Input: `[N, H, W, C]`; output: `[N, ⌈H/stride⌉, ⌈W/stride⌉, filters]`, those of the attention last. Attention maps: `query` `[N, heads, queries, keys]`;
 * with a stride, keys are output positions, and the queries those nearest to the input positions that were asked for.
 */
export class AttentionAugmentedConv extends Block<AttentionAugmentedConvOptions> {
  static override readonly className = 'SaccadeAttentionAugmentedConv';
  static override readonly options: Schema<AttentionAugmentedConvOptions> = {
    filters: option.optional(option.integer(1)),
    kernelSize: option.oddInteger(3),
    stride: option.integer(1),
    heads: option.integer(8),
    keyRatio: option.number(0.2),
    valueRatio: option.number(0.1),
    minHeadChannels: option.integer(20),
    keyChannels: option.optional(option.integer(1)),
    valueChannels: option.optional(option.integer(1)),
    positions: option.oneOf(['relative', 'none'], 'relative'),
    useBias: option.flag(true),
  };

  /** Null where all channels come from the attention. */
  private conv!: parts.Conv2D | null;
  private kqv!: parts.Dense;
  private out!: parts.Dense;
  private positions!: parts.RelativePositions | null;
  /** Of all heads together: d_k and d_v. */
  private widths!: { readonly keys: number; readonly values: number };

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { kernelSize, stride, heads, positions, useBias } = this.options;
    const filters = this.options.filters ?? channels;
    const { keys, values } = (this.widths = this.widthsFor(filters));
    const start = { useBias, kernelInitializer: initializers.glorotUniform({}), biasInitializer: initializers.zeros() };
    this.conv = filters === values ? null : parts.conv2d(weights.at('conv'), channels, filters - values, { kernelSize, stride, ...start });
    this.kqv = parts.dense(weights.at('kqv'), channels, 2 * keys + values, start);
    this.out = parts.dense(weights.at('out'), values, values, start);
    const [height, width] = this.strided(inputShape) as [number, number];
    this.positions = positions === 'none' ? null : parts.relativePositions(weights.at('positions'), [height, width], keys / heads);
  }

  override forward(x: Tensor4D): Tensor4D {
    const attended = this.attention(x); // [N, ⌈H/stride⌉, ⌈W/stride⌉, d_v]
    return this.conv ? concat([this.conv(x), attended], 3) : attended;
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor4D } {
    const { stride, heads } = this.options;
    const [, width] = this.strided(x.shape) as [number, number];
    const nearest = queries.map((query) => {
      const [row, column] = [Math.floor(query / x.shape[2]), query % x.shape[2]];
      return Math.floor(row / stride) * width + Math.floor(column / stride);
    });
    const { q, k } = this.embed(x);
    const rows = this.positions ? this.positions.rows(q, k, nearest) : attentionRows(q, k, nearest);
    return { query: reshape(rows, [-1, heads, queries.length, k.shape[1]]) };
  }

  override macs(inputShape: readonly number[]): number {
    const [images] = inputShape;
    const [height, width] = this.strided(inputShape) as [number, number];
    const positions = height * width;
    const { keys, values } = this.widths;
    const projections = this.kqv.macs(positions) + this.out.macs(positions);
    const attention = positions ** 2 * (keys + values) + (this.positions?.macs(positions * this.options.heads) ?? 0);
    return images * ((this.conv?.macs(positions) ?? 0) + projections + attention);
  }

  protected override outputShapeFor(inputShape: Shape): Shape {
    return [inputShape[0], ...this.strided(inputShape), this.options.filters ?? inputShape[3]];
  }

  protected override get sizeTie(): string | null {
    return this.options.positions === 'none' ? null : 'its tables of relative positions are as large as the map';
  }

  private attention(x: Tensor4D): Tensor4D {
    const { q, k, v } = this.embed(x);
    const heads = this.positions ? this.positions.attend(q, k, v) : attend(q, k, v); // [N·heads, P, d_v / heads], equation 1
    const mixed = this.out(mergeHeads(heads, this.options.heads)); // [N, P, d_v], equation 2
    const [height, width] = this.strided(x.shape) as [number, number];
    return reshape(mixed, [x.shape[0], height, width, this.widths.values]);
  }

  /** Queries, divided by √(d_k / heads), keys and values of the heads: `[N·heads, P, channels of a head]`. */
  private embed(x: Tensor4D): Record<'q' | 'k' | 'v', Tensor3D> {
    const { stride, heads } = this.options;
    const { keys, values } = this.widths;
    const seen = stride === 1 ? x : localAvgPool(x, { window: 3, stride, padding: 1 });
    const rows: Tensor3D = reshape(this.kqv(seen), [x.shape[0], -1, 2 * keys + values]);
    const [k, q, v] = split<Tensor3D>(rows, [keys, keys, values], 2).map((part) => splitHeads(part, heads));
    return { q: mul(q, 1 / Math.sqrt(keys / heads)), k, v };
  }

  private widthsFor(filters: number): { keys: number; values: number } {
    const { heads, keyRatio, valueRatio, minHeadChannels } = this.options;
    const share = (ratio: number, minChannels = 0) => reducedChannels(this.title, filters, { reduction: 1 / ratio, divisor: heads, minChannels });
    const keys = this.options.keyChannels ?? share(keyRatio, heads * minHeadChannels);
    const values = this.options.valueChannels ?? share(valueRatio);
    for (const [name, channels] of Object.entries({ keyChannels: keys, valueChannels: values })) {
      if (channels % heads !== 0) {
        throw new BlockError(
          `${this.title}: option "${name}" is ${channels}, but must be a multiple of the ${heads} heads. Give one, or other heads.`,
        );
      }
    }
    if (values > filters) {
      throw new BlockError(
        `${this.title}: ${values} channels come from the attention, but the output has ${filters}. Give fewer valueChannels, fewer heads, or more filters.`,
      );
    }
    return { keys, values };
  }

  /** Height and width of the output. */
  private strided([, ...map]: Shape): (number | null)[] {
    return map.slice(0, 2).map((size) => size && Math.ceil(size / this.options.stride));
  }
}

/** An {@link AttentionAugmentedConv} layer. */
export function attentionAugmentedConv(options?: BlockArgs<AttentionAugmentedConvOptions>): AttentionAugmentedConv {
  return new AttentionAugmentedConv(options);
}
