/**
 * The non-local block.
 *
 * Wang, Girshick, Gupta, He. Non-local Neural Networks. CVPR 2018. https://arxiv.org/abs/1711.07971
 *
 * The defaults are the paper's block, without its sub-sampling. What implementations do otherwise is an option: the official Caffe2 code
 * divides the products by √channels (`useScale`) and sub-samples before the projections, AlexHex7's and mmcv's sub-sample after them. Max
 * pooling and a projection do not commute, so the two are different blocks.
 *
 * However many positions there are, the attention among all of them never exists as a whole, in the forward or in the gradient; with the
 * dot product it does not exist at all, since q·(kᵀ·v) is (q·kᵀ)·v.
 */
import {
  affine,
  Block,
  BlockError,
  option,
  reducedChannels,
  rowsOf,
  showShape,
  sizeOf,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, concat, maxPool, reshape, slice, type Rank, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { concatenations, products, softmaxOfProducts, type Pairwise } from './pairwise.js';

/** The pairwise function, section 3.2 of the paper. */
export type Mode = 'gaussian' | 'embeddedGaussian' | 'dotProduct' | 'concatenation';
/** Where keys and values are max-pooled by 2, in space but not in time. */
export type Subsample = 'none' | 'beforeProjections' | 'afterProjections';
/** What follows the output projection: `affine` is a frozen scale and offset of each channel, which batch norms of trained networks become. */
export type Norm = 'batch' | 'affine' | 'none';

export interface NonLocalOptions {
  /** The pairwise function. Default: `embeddedGaussian`. */
  mode?: Mode;
  /** Reduction ratio: the embeddings have C / r channels, rounded down, but at least 1. Default: 2. */
  reduction?: number;
  /** Channels of the embeddings θ, φ and g, instead of a reduction. Default: null. */
  innerChannels?: number | null;
  /** Where keys and values are sub-sampled. Default: `none`. */
  subsample?: Subsample;
  /** Whether the products of `embeddedGaussian` are divided by √(inner channels). Default: false. */
  useScale?: boolean;
  /** What follows the output projection. Default: `batch`. */
  norm?: Norm;
  /** Of the batch norm. Default: 1e-5. */
  epsilon?: number;
  /** Whether the projections θ, φ and g have a bias. Default: true. */
  useBias?: boolean;
  /** Whether the output projection has a bias; null for as the others. mmcv: false before a norm. Default: null. */
  useOutputBias?: boolean | null;
  /** The number of successive frames that attend to each other alone, or null for all. Default: null. */
  groupSize?: number | null;
}

/**
 * Adds to each position a weighted sum of the features at all positions of the image, or of the video.
 *
 * Input and output: `[N, L, C]`, `[N, H, W, C]` or `[N, T, H, W, C]`. Attention maps: `query` `[N, queries, keys]`; with groups of frames, the keys are
 * those of the query's own group.
 */
export class NonLocal extends Block<NonLocalOptions> {
  static override readonly className = 'SaccadeNonLocal';
  static override readonly options: Schema<NonLocalOptions> = {
    mode: option.oneOf(['gaussian', 'embeddedGaussian', 'dotProduct', 'concatenation'], 'embeddedGaussian'),
    reduction: option.number(2),
    innerChannels: option.optional(option.integer(1)),
    subsample: option.oneOf(['none', 'beforeProjections', 'afterProjections'], 'none'),
    useScale: option.flag(false),
    norm: option.oneOf(['batch', 'affine', 'none'], 'batch'),
    epsilon: option.number(1e-5),
    useBias: option.flag(true),
    useOutputBias: option.optional(option.flag(true)),
    groupSize: option.optional(option.integer(1)),
  };

  protected override readonly ranks = [3, 4, 5];

  /** θ and φ; a Gaussian has none. */
  private theta?: parts.Dense;
  private phi?: parts.Dense;
  private g!: parts.Dense;
  /** W_z, and what follows it. */
  private out!: parts.DenseBatchNorm;
  /** w_f of the concatenation. */
  private pair?: Weight;

  /** @throws BlockError for an unknown option, or a value that an option does not accept */
  constructor(args?: BlockArgs<NonLocalOptions>) {
    super(args);
    const { mode, useScale } = this.options;
    if (useScale && mode !== 'embeddedGaussian') {
      throw new BlockError(
        `${this.title}: option "useScale" is true with mode "${mode}", but only "embeddedGaussian" has a scale. Leave it out, or change the mode.`,
      );
    }
  }

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { mode, norm, useBias } = this.options;
    const inner = this.innerChannels(channels);
    const small = initializers.randomNormal({ mean: 0, stddev: 0.01 });
    const zeros = initializers.zeros();
    const embedding = (name: string, kernelInitializer = small) =>
      parts.dense(weights.at(name), channels, inner, { useBias, kernelInitializer, biasInitializer: zeros });
    // The official code has no concatenation; w_f times a θ or φ that starts small would hardly train.
    const factor = mode === 'concatenation' ? parts.pytorchUniform(channels) : small;
    if (mode !== 'gaussian') [this.theta, this.phi] = [embedding('theta', factor), embedding('phi', factor)];
    this.g = embedding('g');
    if (mode === 'concatenation') this.pair = weights.add('pair/kernel', [2 * inner, 1], parts.pytorchUniform(2 * inner), { layout: 'dense' });
    // The block starts as the identity: by the batch norm's gamma, or without one by this projection.
    const out = parts.dense(weights.at('out'), inner, channels, {
      useBias: this.options.useOutputBias ?? useBias,
      kernelInitializer: norm === 'batch' ? small : zeros,
      biasInitializer: zeros,
    });
    this.out = this.normalised(out, weights.at('norm'), channels);
  }

  override forward(x: Tensor, training: boolean): Tensor {
    const { q, k, v } = this.embed(x);
    const y = this.pairwise(q).respond(q, k, v); // [N·groups, positions, inner], equation 1
    const z = this.out(reshape(y, [...x.shape.slice(0, -1), y.shape[2]]), training);
    return add(z, x); // equation 6
  }

  override maps(x: Tensor, queries: readonly number[]): { query: Tensor } {
    const { q, k } = this.embed(x);
    const pairwise = this.pairwise(q);
    const groups = q.shape[0] / x.shape[0];
    if (groups === 1) return { query: pairwise.rows(q, k, queries) };
    const rows = queries.map((query) => {
      const group = Math.floor(query / q.shape[1]);
      return pairwise.rows(groupOf(q, group, groups), groupOf(k, group, groups), [query % q.shape[1]]);
    });
    return { query: concat(rows, 1) };
  }

  /** Of the definition. The dot product takes less where there are more positions than channels, by the order of its products. */
  override macs(inputShape: readonly number[]): number {
    const channels = inputShape.at(-1)!;
    const inner = this.innerChannels(channels);
    const { mode, subsample } = this.options;
    const [batch, ...positions] = this.grouped(inputShape).slice(0, -1);
    const queries = sizeOf(positions);
    const keys = subsample === 'none' ? queries : sizeOf(positions.map((size, axis) => (isTime(positions, axis) ? size : Math.floor(size / 2))));
    const projected = subsample === 'beforeProjections' ? keys : queries;
    const projections = this.out.macs(queries) + this.g.macs(projected) + (this.theta?.macs(queries) ?? 0) + (this.phi?.macs(projected) ?? 0);
    const perPair = { gaussian: channels, embeddedGaussian: inner, dotProduct: inner, concatenation: 2 * inner }[mode];
    return batch * (projections + queries * keys * (perPair + inner));
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const received = `${this.title}: the input has shape ${showShape(shape)}`;
    const { groupSize, subsample } = this.options;
    if (groupSize !== null && shape.length !== 5) {
      throw new BlockError(
        `${received}, but option "groupSize" is ${groupSize}, which needs [N, time, height, width, channels]. Leave the option out, or give frames.`,
      );
    }
    if (groupSize !== null && shape[1] !== null && shape[1] % groupSize !== 0) {
      throw new BlockError(
        `${received}, but its ${shape[1]} frames do not make groups of ${groupSize}. Give a multiple of ${groupSize} frames, or another groupSize.`,
      );
    }
    const positions = shape.slice(1, -1);
    if (subsample !== 'none' && positions.some((size, axis) => size !== null && size < 2 && !isTime(positions, axis))) {
      throw new BlockError(
        `${received}, but option "subsample" is "${subsample}", which needs at least 2 positions along each axis of space. Give a larger map, or leave the option out.`,
      );
    }
  }

  /** Queries `[N·groups, positions, D]`, keys `[N·groups, positions or fewer, D]`, values of the keys' positions. */
  private embed(x: Tensor): Record<'q' | 'k' | 'v', Tensor3D> {
    const { subsample } = this.options;
    const all = reshape(x, this.grouped(x.shape));
    const source = subsample === 'beforeProjections' ? pool(all) : all;
    const select = subsample === 'afterProjections' ? pool : (x: Tensor) => x;
    return {
      q: rowsOf(this.theta ? this.theta(all) : all),
      k: rowsOf(select(this.phi ? this.phi(source) : source)),
      v: rowsOf(select(this.g(source))),
    };
  }

  private pairwise(q: Tensor3D): Pairwise {
    const { mode, useScale } = this.options;
    if (mode === 'dotProduct') return products;
    if (mode === 'concatenation') return concatenations(this.pair!.read() as Tensor2D);
    return softmaxOfProducts(useScale ? 1 / Math.sqrt(q.shape[2]) : 1);
  }

  private normalised(out: parts.Dense, weights: WeightScope, channels: number): parts.DenseBatchNorm {
    const { norm, epsilon } = this.options;
    if (norm === 'none') return out;
    if (norm === 'batch') return parts.denseBatchNorm(out, parts.batchNorm(weights, channels, { epsilon, gammaInitializer: initializers.zeros() }));
    const gamma = weights.add('gamma', [channels], initializers.ones(), { trainable: false });
    const beta = weights.add('beta', [channels], initializers.zeros(), { trainable: false });
    const apply = <T extends Tensor>(y: T) => affine(out(y), gamma.read(), beta.read());
    return Object.assign(apply, { macs: (positions = 1) => out.macs(positions) });
  }

  private innerChannels(channels: number): number {
    return this.options.innerChannels ?? reducedChannels(this.title, channels, { reduction: this.options.reduction, minChannels: 1 });
  }

  /** A shape with the groups of frames as images of their own. */
  private grouped(shape: readonly number[]): number[] {
    const { groupSize } = this.options;
    const [batch, frames, ...rest] = shape;
    return groupSize === null ? [...shape] : [(batch * frames) / groupSize, groupSize, ...rest];
  }
}

function isTime(positions: readonly unknown[], axis: number): boolean {
  return positions.length === 3 && axis === 0;
}

/** The maximum of each 2 positions, or each 2×2 of a frame; what is left over at the end of an odd axis is dropped. */
function pool(x: Tensor): Tensor {
  const [height, width, channels] = x.rank === 3 ? [1, ...x.shape.slice(1)] : x.shape.slice(-3);
  const frames = reshape<Rank.R4>(x, [-1, height, width, channels]);
  const pooled = maxPool(frames, [Math.min(height, 2), 2], [Math.min(height, 2), 2], 'valid');
  return reshape(pooled, [x.shape[0], -1, channels]);
}

// [N·groups, rows, D] → [N, rows, D]
function groupOf(x: Tensor3D, group: number, groups: number): Tensor3D {
  const [all, rows, channels] = x.shape;
  const apart = reshape(x, [all / groups, groups, rows, channels]);
  return reshape(slice(apart, [0, group, 0, 0], [all / groups, 1, rows, channels]), [all / groups, rows, channels]);
}

/** A {@link NonLocal} layer. */
export function nonLocal(options?: BlockArgs<NonLocalOptions>): NonLocal {
  return new NonLocal(options);
}
