/**
 * Axial attention: multi-head self-attention along each axis of a map by itself.
 *
 * Ho, Kalchbrenner, Weissenborn, Salimans. Axial Attention in Multidimensional Transformers. 2019. https://arxiv.org/abs/1912.12180
 *
 * Equals `AxialAttention` of github.com/lucidrains/axial-attention, after its `AxialPositionalEmbedding` with `positions: 'learned'`. The paper
 * applies one axis after the other, each in a transformer layer of its own; that code by default adds what all axes make of the same input.
 * Neither has a residual connection or a norm inside.
 */
import {
  attend,
  attentionRows,
  Block,
  BlockError,
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
import { addN, reshape, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { addAlong } from './add-along.js';
import { axesOf, fromLines, linesThrough, toLines } from './lines.js';

export interface AxialAttentionOptions {
  /** Attention heads of each axis. Default: 8. */
  heads?: number;
  /** Channels of a head. Default: null, C / heads. */
  headChannels?: number | null;
  /** Whether the axes all attend in the input, and their outputs are added, or each in what the one before it made. Default: `sum`. */
  combine?: 'sum' | 'sequence';
  /** Whether learned embeddings of the position along each axis are added to the input. They tie a layer to one size. Default: `none`. */
  positions?: 'none' | 'learned';
}

/**
 * Replaces each position by what it gathers along each of its axes.
 *
 * Input and output: `[N, L, C]`, `[N, H, W, C]` or `[N, T, H, W, C]`. Attention maps: one for each axis, `time`, `height`, `width` (or `length`), each
 * `[N, lines, heads, L, L]`: of the lines along that axis that the queries lie in, the weights of each of their positions at all others.
 */
export class AxialAttention extends Block<AxialAttentionOptions> {
  static override readonly className = 'SaccadeAxialAttention';
  static override readonly options: Schema<AxialAttentionOptions> = {
    heads: option.integer(8),
    headChannels: option.optional(option.integer(1)),
    combine: option.oneOf(['sum', 'sequence'], 'sum'),
    positions: option.oneOf(['none', 'learned'], 'none'),
  };

  protected override readonly ranks = [3, 4, 5];

  private axes?: readonly Axis[];
  private embeddings: readonly Weight[] = [];

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { heads, positions } = this.options;
    const width = heads * this.headChannels(channels);
    const names = axesOf(inputShape.length);
    this.axes = names.map((name, i) => {
      const scope = weights.at(name);
      const project = (part: string) => parts.dense(scope.at(part), channels, width, { useBias: false });
      return {
        name,
        axis: i + 1,
        query: project('query'),
        key: project('key'),
        value: project('value'),
        out: parts.dense(scope.at('out'), width, channels),
      };
    });
    if (positions === 'none') return;
    const normal = initializers.randomNormal({ mean: 0, stddev: 1 });
    this.embeddings = names.map((name, i) => weights.at('positions').add(name, [inputShape[i + 1]!, channels], normal));
  }

  override forward(x: Tensor): Tensor {
    const h = this.embed(x);
    if (this.options.combine === 'sequence') return this.axes!.reduce((h, axis) => this.along(axis, h), h);
    return addN(this.axes!.map((axis) => this.along(axis, h))); // [N, …positions, C]
  }

  override maps(x: Tensor, queries: readonly number[]): Record<string, Tensor> {
    const maps: Record<string, Tensor> = {};
    let h = this.embed(x);
    for (const axis of this.axes!) {
      const { heads } = this.options;
      const project = (part: parts.Dense) => toLines(part(h), axis.axis, heads);
      const { lines, count } = linesThrough([project(axis.query), project(axis.key)], h.shape, axis.axis, queries);
      const [q, k] = lines as [Tensor3D, Tensor3D];
      const length = q.shape[1];
      const everyRow = Array.from({ length }, (_, i) => i);
      maps[axis.name] = reshape(attentionRows(q, k, everyRow, { scale: scaleOf(q) }), [h.shape[0], count, heads, length, length]);
      if (this.options.combine === 'sequence') h = this.along(axis, h);
    }
    return maps;
  }

  override macs(inputShape: readonly number[]): number {
    const positions = sizeOf(inputShape.slice(0, -1));
    const width = this.options.heads * this.headChannels(inputShape.at(-1)!);
    return this.axes!.reduce((sum, { axis, query, key, value, out }) => {
      const projections = [query, key, value, out].reduce((sum, part) => sum + part.macs(positions), 0);
      return sum + projections + 2 * positions * inputShape[axis] * width;
    }, 0);
  }

  protected override get sizeTie(): string | null {
    return this.options.positions === 'none' ? null : 'its tables of positions are as large as the map';
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    if (this.axes && shape.length !== this.axes.length + 2) {
      throw new BlockError(
        `${this.title}: the input has shape ${showShape(shape)}, but the layer "${this.name}" was built for ${this.axes.length} axes of positions. ` +
          'Use a layer of its own for each number of axes.',
      );
    }
    this.headChannels(shape.at(-1)!);
  }

  private embed(x: Tensor): Tensor {
    return this.embeddings.reduce((h, embedding, i) => addAlong(h, i + 1, embedding.read() as Tensor2D), x);
  }

  private along({ axis, query, key, value, out }: Axis, x: Tensor): Tensor {
    const { heads } = this.options;
    const [q, k, v] = [query, key, value].map((part) => toLines(part(x), axis, heads)); // [lines·heads, L, D]
    const y = attend(q, k, v, { scale: scaleOf(q) });
    return out(fromLines(y, [...x.shape.slice(0, -1), heads * q.shape[2]], axis, heads));
  }

  private headChannels(channels: number): number {
    const { heads, headChannels } = this.options;
    if (headChannels === null && channels % heads !== 0) {
      throw new BlockError(`${this.title}: ${heads} heads do not divide ${channels} channels. Choose heads that do, or set headChannels.`);
    }
    return headChannels ?? channels / heads;
  }
}

/** The attention along one axis of the input. */
interface Axis {
  readonly name: string;
  readonly axis: number;
  readonly query: parts.Dense;
  readonly key: parts.Dense;
  readonly value: parts.Dense;
  readonly out: parts.Dense;
}

function scaleOf(q: Tensor3D): number {
  return 1 / Math.sqrt(q.shape[2]);
}

/** A {@link AxialAttention} layer. */
export function axialAttention(options?: BlockArgs<AxialAttentionOptions>): AxialAttention {
  return new AxialAttention(options);
}
