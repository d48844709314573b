/**
 * Position-sensitive axial attention along one axis of a map.
 *
 * Wang, Zhu, Green, Adam, Yuille, Chen. Axial-DeepLab: Stand-Alone Axial-Attention for Panoptic Segmentation. ECCV 2020. https://arxiv.org/abs/2003.07853
 *
 * Equals `AxialAttention` of github.com/csrhddlam/axial-deeplab. What equation 4 of the paper does not say is in its code: a batch norm of queries,
 * keys and values, one of each of the three kinds of logits, and one of each of the two outputs before they are added. It knows distances over the
 * whole axis, so that a layer is tied to the axis's length. The paper's local form, with a span, is not in that code.
 */
import {
  attendLines,
  attendsLines,
  Block,
  BlockError,
  differentiable,
  option,
  showShape,
  sizeOf,
  type BlockArgs,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, avgPool, clone, expandDims, mul, reshape, zerosLike } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { fromLines, linesThrough, toLines } from './lines.js';
import { logitMoments, positionSensitiveAttend, positionSensitiveWeights, type DistanceTables } from './position-sensitive.js';
import { projection, type Projection } from './projection.js';

export interface PositionSensitiveAxialAttentionOptions {
  /** The axis that positions attend along: `height` for columns, `width` for rows. Default: `height`. */
  axis?: 'height' | 'width';
  /** Output channels, a multiple of 2·groups. Default: null, as many as the input has. */
  filters?: number | null;
  /** Groups of channels that attend by themselves: the attention heads. Default: 8. */
  groups?: number;
  /** Each stride × stride outputs are averaged. Default: 1. */
  stride?: number;
}

/**
 * Replaces each position by what it gathers along one axis, where queries, keys and values all know of distances.
 *
 * Input: `[N, H, W, C]`, its length along the axis known; output: `[N, ⌊H/stride⌋, ⌊W/stride⌋, filters]`. Attention maps: one of the axis's name,
 * `[N, lines, groups, L, L]`: of the lines along the axis that the queries lie in, the weights of each of their positions at all others.
 */
export class PositionSensitiveAxialAttention extends Block<PositionSensitiveAxialAttentionOptions> {
  static override readonly className = 'SaccadePositionSensitiveAxialAttention';
  static override readonly options: Schema<PositionSensitiveAxialAttentionOptions> = {
    axis: option.oneOf(['height', 'width'], 'height'),
    filters: option.optional(option.integer(1)),
    groups: option.integer(8),
    stride: option.integer(1),
  };

  protected override readonly minSize = this.options.stride;

  private query!: Projection;
  private key!: Projection;
  private value!: Projection;
  private distances!: Readonly<Record<keyof DistanceTables, Weight>>;
  private logitNorm!: parts.BatchNorm;
  private contentNorm!: parts.BatchNorm;
  private positionNorm!: parts.BatchNorm;
  private length?: number;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { groups } = this.options;
    const filters = this.filters(channels);
    const [depth, valueDepth] = [filters / groups / 2, filters / groups];
    this.length = inputShape[this.axis]!;
    const normal = (fanIn: number) => initializers.randomNormal({ mean: 0, stddev: 1 / Math.sqrt(fanIn) });
    const project = (name: string, units: number) => projection(weights.at(name), channels, units, { kernelInitializer: normal(channels) });
    this.query = project('query', groups * depth);
    this.key = project('key', groups * depth);
    this.value = project('value', groups * valueDepth);
    const table = (name: string, depth: number) => weights.at('distances').add(name, [2 * this.length! - 1, depth], normal(valueDepth));
    this.distances = { query: table('query', depth), key: table('key', depth), value: table('value', valueDepth) };
    this.logitNorm = parts.batchNorm(weights.at('logitNorm'), 3 * groups);
    this.contentNorm = parts.batchNorm(weights.at('contentNorm'), filters);
    this.positionNorm = parts.batchNorm(weights.at('positionNorm'), filters);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const { stride } = this.options;
    const [q, k, v] = [this.query, this.key, this.value].map((part) => part(x, training));
    const y = (training ? undefined : this.attendAtOnce(q, k, v)) ?? this.attend(q, k, v, training); // [N, H, W, filters]
    return stride > 1 ? avgPool(y, stride, stride, 'valid') : y;
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    const { axis, groups } = this.options;
    const all = [this.query, this.key].map((part) => toLines(part(x, false), this.axis, groups));
    const { lines, count } = linesThrough(all, x.shape, this.axis, queries);
    const weights = positionSensitiveWeights(...(lines as [Tensor3D, Tensor3D]), this.tables(), this.factors());
    return { [axis]: reshape(weights, [x.shape[0], count, groups, this.length!, this.length!]) };
  }

  override macs(inputShape: readonly number[]): number {
    const positions = sizeOf(inputShape.slice(0, -1));
    const projections = this.query.macs(positions) + this.key.macs(positions) + this.value.macs(positions);
    // Three kinds of logits of half the channels, two outputs of all.
    return projections + positions * inputShape[this.axis] * 3.5 * this.filters(inputShape.at(-1)!);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const shrunk = (size: number | null) => size && Math.floor(size / this.options.stride);
    return [images, shrunk(height), shrunk(width), this.filters(channels!)];
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const received = `${this.title}: the input has shape ${showShape(shape)}`;
    const { axis } = this.options;
    const length = shape[this.axis];
    const tie = `its tables of distances are as long as the ${axis}`;
    if (length === null) throw new BlockError(`${received}, but ${tie}: it must be known. Give an inputShape with the ${axis}.`);
    if (this.length !== undefined && length !== this.length) {
      throw new BlockError(
        `${received}, but ${tie}, and the layer "${this.name}" was built for ${this.length}. Resize the map, or use a layer of its own for each ${axis}.`,
      );
    }
    this.filters(shape.at(-1)!);
  }

  /** The axis of the input's shape. */
  private get axis(): 1 | 2 {
    return this.options.axis === 'height' ? 1 : 2;
  }

  private filters(channels: number): number {
    const { groups } = this.options;
    const wanted = this.options.filters ?? channels;
    if (wanted % (2 * groups) !== 0) {
      throw new BlockError(
        `${this.title}: ${wanted} filters do not make ${groups} groups of an even number of channels. Give a multiple of ${2 * groups} filters, or other groups.`,
      );
    }
    return wanted;
  }

  /** What the values of maps of queries, keys and values become. */
  private attend(q: Tensor4D, k: Tensor4D, v: Tensor4D, training: boolean): Tensor4D {
    const { groups } = this.options;
    const [queries, keys, values] = [q, k, v].map((x) => toLines(x, this.axis, groups)); // [lines·groups, L, D]
    const tables = this.tables();
    const factors = this.factors(training ? logitMoments(queries, keys, tables, groups) : undefined);
    const lines = positionSensitiveAttend(queries, keys, values, tables, factors);
    const [content, position] = lines.map((y) => fromLines(y, v.shape, this.axis, groups)); // [N, H, W, filters]
    return add(this.contentNorm(content, training), this.positionNorm(position, training));
  }

  /** The same at inference, in one pass with the batch norms of both outputs, where that can be. */
  private attendAtOnce(q: Tensor4D, k: Tensor4D, v: Tensor4D): Tensor4D | undefined {
    if (!attendsLines()) return undefined;
    const { query, key, value } = this.tables();
    const [content, position] = [this.contentNorm.folded(), this.positionNorm.folded()];
    const perGroup = (x: Tensor): Tensor3D => reshape(x, [1, this.options.groups, -1]);
    // The weights of a position add up to 1: an offset of all values is one of the result.
    const offsets = perGroup(add(content.offset, position.offset));
    const values = add<Tensor3D>(mul(expandDims(value, 1), perGroup(position.factor)), offsets); // [2·L − 1, groups, D]
    const { factor: factors } = this.logitNorm.folded();
    return attendLines({ q, k, v, query, key, value: values, factors, valueFactors: content.factor }, this.axis);
  }

  private tables(): DistanceTables {
    const { query, key, value } = this.distances;
    return { query: query.read() as Tensor2D, key: key.read() as Tensor2D, value: value.read() as Tensor2D };
  }

  /** The logits' batch norms as factors `[3·groups]`: their offsets, the same for all keys, vanish in the softmax. */
  private factors(batch?: parts.BatchMoments): Tensor1D {
    const { factor } = this.logitNorm.folded(batch);
    const gradient = (dy: Tensor, [, beta]: Tensor[]) => [dy, zerosLike(beta)]; // beta has one, too
    return differentiable([factor, this.logitNorm.beta.read()], clone, gradient) as Tensor1D;
  }
}

/** A {@link PositionSensitiveAxialAttention} layer. */
export function positionSensitiveAxialAttention(options?: BlockArgs<PositionSensitiveAxialAttentionOptions>): PositionSensitiveAxialAttention {
  return new PositionSensitiveAxialAttention(options);
}
