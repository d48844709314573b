/**
 * The self-attention of SAGAN.
 *
 * Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019. https://arxiv.org/abs/1805.08318
 *
 * The default form equals the authors' TensorFlow code, `sn_non_local_block_sim`, and goes beyond the paper's equations: keys and values are
 * max-pooled, values have half of the channels, nothing has a bias, and all four projections are spectrally normalised. The form `pytorch`
 * equals heykeetae's widespread `Self_Attn`: the values keep all channels, so that no projection follows, and nothing is pooled or normalised.
 * Neither scales the products of queries and keys.
 */
import {
  attend,
  attentionRows,
  Block,
  BlockError,
  option,
  reducedChannels,
  rowsOf,
  show,
  showShape,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, maxPool, mul, reshape, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { spectralDense, type SpectralDense } from './spectral-dense.js';

export interface SelfAttention2DOptions {
  /** Whose code it equals: the authors', or heykeetae's. Default: `tensorflow`. */
  form?: 'tensorflow' | 'pytorch';
  /** Reduction ratio of queries and keys, which have C / r channels. Default: 8. */
  reduction?: number;
  /** Channels of queries and keys, instead of a reduction. Default: null. */
  keyChannels?: number | null;
  /** Channels of the values, null for C / 2. With `pytorch` they have C. Default: null. */
  valueChannels?: number | null;
  /** Power iterations a forward, of the spectral norms of `tensorflow`. Default: 1. */
  iterations?: number;
  /**
   * What the power iterations of a forward at inference, or of a frozen layer, leave: `update` stores the vectors, as training does (the authors'
   * `update_collection=None`), `iterate` forgets them (`NO_OPS`). Default: `iterate`.
   */
  inference?: 'iterate' | 'update';
}

/**
 * Adds to each position what it gathers from all positions of the image, by dot-product attention, times a learned scalar.
 *
 * Input and output: `[N, H, W, C]`, H and W even. Attention maps: `query` `[N, queries, keys]`, the keys those of a map of half the height and
 * width. With `pytorch`: any H and W, and all positions are keys.
 */
export class SelfAttention2D extends Block<SelfAttention2DOptions> {
  static override readonly className = 'SaccadeSelfAttention2D';
  static override readonly options: Schema<SelfAttention2DOptions> = {
    form: option.oneOf(['tensorflow', 'pytorch'], 'tensorflow'),
    reduction: option.number(8),
    keyChannels: option.optional(option.integer(1)),
    valueChannels: option.optional(option.integer(1)),
    iterations: option.integer(1),
    inference: option.oneOf(['iterate', 'update'], 'iterate'),
  };

  /** θ, φ and g of the authors' code; f, g and h of the paper. */
  private query!: SpectralDense | parts.Dense;
  private key!: SpectralDense | parts.Dense;
  private value!: SpectralDense | parts.Dense;
  /** The paper's v; the form `pytorch` has none. */
  private out?: SpectralDense;
  private gamma!: Weight;

  /** @throws BlockError for an unknown option, a value that an option does not accept, or an option that the form does not have */
  constructor(args?: BlockArgs<SelfAttention2DOptions>) {
    super(args);
    if (this.pools) return;
    const { options } = SelfAttention2D;
    for (const name of ['valueChannels', 'iterations', 'inference'] as const) {
      if (this.options[name] !== options[name].default) {
        throw new BlockError(
          `${this.title}: option "${name}" is ${show(this.options[name])} with form "pytorch", but only "tensorflow" has that choice. Leave it out, or change the form.`,
        );
      }
    }
  }

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { keyChannels, valueChannels } = this.widths(channels);
    const projection = (name: string, inputs: number, units: number) =>
      this.pools ? spectralDense(weights.at(name), inputs, units, this.options.iterations) : parts.dense(weights.at(name), inputs, units);
    this.query = projection('query', channels, keyChannels);
    this.key = projection('key', channels, keyChannels);
    this.value = projection('value', channels, valueChannels);
    if (this.pools) this.out = spectralDense(weights.at('out'), valueChannels, channels, this.options.iterations);
    // 0, so that the block starts as the identity.
    this.gamma = weights.add('gamma', [1], initializers.zeros());
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const frozen = this.trainableWeights.length === 0;
    const store = (training && !frozen) || this.options.inference === 'update';
    const q = rowsOf(this.query(x, store)); // [N, H·W, C̄]
    const k = rowsOf(this.pool(this.key(x, store))); // [N, H·W or H·W/4, C̄]
    // Equation 3 weighs the result by gamma. Values are fewer, and all that follows is linear in them.
    const v = mul<Tensor3D>(rowsOf(this.pool(this.value(x, store))), this.gamma.read());
    const context: Tensor4D = reshape(attend(q, k, v), [x.shape[0], x.shape[1], x.shape[2], v.shape[2]]);
    const o = this.out ? this.out(context, store) : context; // [N, H, W, C], equation 2
    return add(o, x);
  }

  override maps(x: Tensor4D, queries: readonly number[]): { query: Tensor3D } {
    return { query: attentionRows(rowsOf(this.query(x, false)), rowsOf(this.pool(this.key(x, false))), queries) };
  }

  override macs([images, height, width, channels]: readonly number[]): number {
    const positions = height * width;
    const keys = this.pools ? positions / 4 : positions;
    const { keyChannels, valueChannels } = this.widths(channels);
    const projections = [this.query, this.key, this.value, this.out].reduce((sum, projection) => sum + (projection?.macs(positions) ?? 0), 0);
    return images * (projections + positions * keys * (keyChannels + valueChannels));
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    if (this.pools && shape.slice(1, -1).some((size) => size !== null && size % 2 === 1)) {
      throw new BlockError(
        `${this.title}: the input has shape ${showShape(shape)}, but form "tensorflow" pools keys and values by 2, and needs an even height and width. Resize the map, or use form "pytorch".`,
      );
    }
  }

  private get pools(): boolean {
    return this.options.form === 'tensorflow';
  }

  private widths(channels: number): { keyChannels: number; valueChannels: number } {
    const { reduction, keyChannels, valueChannels } = this.options;
    return {
      keyChannels: keyChannels ?? reducedChannels(this.title, channels, { reduction }),
      valueChannels: this.pools ? (valueChannels ?? reducedChannels(this.title, channels, { reduction: 2 })) : channels,
    };
  }

  private pool(x: Tensor4D): Tensor4D {
    return this.pools ? maxPool(x, 2, 2, 'valid') : x;
  }
}

/** A {@link SelfAttention2D} layer. */
export function selfAttention2D(options?: BlockArgs<SelfAttention2DOptions>): SelfAttention2D {
  return new SelfAttention2D(options);
}
