/**
 * The double attention block.
 *
 * Chen, Kalantidis, Li, Yan, Feng. A²-Nets: Double Attention Networks. NeurIPS 2018. https://arxiv.org/abs/1810.11579
 *
 * There is no official PyTorch code. Equals nguyenvo09's `DoubleAttentionLayer`, whose output has c_m channels and is not added to the input:
 * `reconstruct` and `residual` together are the paper's block. The paper's ResNet-50, of 33.0M parameters and 6.5 GFLOPs, has c_m = c_n = C / 2.
 */
import {
  Block,
  BlockError,
  matMul,
  option,
  reducedChannels,
  rowsOf,
  showShape,
  sizeOf,
  transposeLast,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, reshape, softmax, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';

export interface DoubleAttentionOptions {
  /** Reduction ratio: the values have C / r channels, and there are C / r descriptors, rounded down, but at least 1. Default: 2. */
  reduction?: number;
  /** Channels c_m of the values, and so of the descriptors, instead of a reduction. Default: null. */
  valueChannels?: number | null;
  /** The number c_n of global descriptors, each gathered by an attention map of its own, instead of a reduction. Default: null. */
  descriptors?: number | null;
  /** Whether a linear map brings the output back to C channels. Default: false. */
  reconstruct?: boolean;
  /** Whether the input is added to the output. Default: false. */
  residual?: boolean;
}

/**
 * Gathers global descriptors from all positions by attention maps, and gives each position its own mixture of them.
 *
 * Input: `[N, L, C]`, `[N, H, W, C]` or `[N, T, H, W, C]`, output: of the same positions, with C channels where it is reconstructed, else those of the
 * values. Attention maps: `gather` and `distribute`, both `[N, descriptors, …positions]`: each gather map sums to 1 over the positions, at each
 * position the distribute maps sum to 1.
 */
export class DoubleAttention extends Block<DoubleAttentionOptions> {
  static override readonly className = 'SaccadeDoubleAttention';
  static override readonly options: Schema<DoubleAttentionOptions> = {
    reduction: option.number(2),
    valueChannels: option.optional(option.integer(1)),
    descriptors: option.optional(option.integer(1)),
    reconstruct: option.flag(false),
    residual: option.flag(false),
  };

  protected override readonly ranks = [3, 4, 5];

  /** φ */
  private value!: parts.Dense;
  /** θ */
  private gather!: parts.Dense;
  /** ρ */
  private distribute!: parts.Dense;
  private reconstruct?: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { valueChannels, descriptors } = this.widths(channels);
    this.value = parts.dense(weights.at('value'), channels, valueChannels);
    this.gather = parts.dense(weights.at('gather'), channels, descriptors);
    this.distribute = parts.dense(weights.at('distribute'), channels, descriptors);
    if (this.options.reconstruct) this.reconstruct = parts.dense(weights.at('reconstruct'), valueChannels, channels);
  }

  override forward(x: Tensor): Tensor {
    const rows = rowsOf(x); // [N, P, C]
    const [gather, distribute] = [this.gatherMaps(rows), this.distributeMaps(rows)]; // [N, c_n, P], [N, P, c_n]
    // distribute·(gather·φ(x)), equations 3 and 4, is (distribute·gather)·φ(x): less work where the positions are few.
    const z = this.fewPositions(rows)
      ? mix(matMul(distribute, gather), this.value(rows), this.reconstruct)
      : mix(distribute, mix(gather, rows, this.value), this.reconstruct); // [N, P, c_m or C]
    const y = reshape(z, [...x.shape.slice(0, -1), z.shape[2]]);
    return this.options.residual ? add(x, y) : y;
  }

  override maps(x: Tensor): Record<'gather' | 'distribute', Tensor> {
    const rows = rowsOf(x);
    const onMap = (maps: Tensor3D) => reshape(maps, [x.shape[0], -1, ...x.shape.slice(1, -1)]);
    return { gather: onMap(this.gatherMaps(rows)), distribute: onMap(transposeLast(this.distributeMaps(rows))) };
  }

  /** Of the definition, which maps before it gathers, and distributes before it reconstructs. */
  override macs(inputShape: readonly number[]): number {
    const positions = sizeOf(inputShape.slice(0, -1));
    const { valueChannels, descriptors } = this.widths(inputShape.at(-1)!);
    const maps = [this.value, this.gather, this.distribute, this.reconstruct].reduce((sum, map) => sum + (map?.macs(positions) ?? 0), 0);
    return maps + 2 * positions * descriptors * valueChannels;
  }

  protected override outputShapeFor(inputShape: Shape): Shape {
    const channels = inputShape.at(-1)!;
    return this.options.reconstruct ? inputShape : [...inputShape.slice(0, -1), this.widths(channels).valueChannels];
  }

  protected override check(shape: Shape): void {
    super.check(shape);
    const { residual, reconstruct } = this.options;
    const channels = shape.at(-1)!;
    const { valueChannels } = this.widths(channels);
    if (residual && !reconstruct && valueChannels !== channels) {
      throw new BlockError(
        `${this.title}: the input has shape ${showShape(shape)}, and option "residual" adds its ${channels} channels to ${valueChannels} of the values. ` +
          `Set option "reconstruct" to true, or "valueChannels" to ${channels}.`,
      );
    }
  }

  /** B: each descriptor's softmax over the positions, `[N, c_n, P]`. */
  private gatherMaps(rows: Tensor3D): Tensor3D {
    return softmax(transposeLast(this.gather(rows)));
  }

  /** V: each position's softmax over the descriptors, `[N, P, c_n]`. */
  private distributeMaps(rows: Tensor3D): Tensor3D {
    return softmax(this.distribute(rows));
  }

  private fewPositions({ shape: [, positions, channels] }: Tensor3D): boolean {
    const { valueChannels, descriptors } = this.widths(channels);
    return positions * (descriptors + valueChannels) < 2 * descriptors * valueChannels;
  }

  private widths(channels: number): { valueChannels: number; descriptors: number } {
    const { reduction, valueChannels, descriptors } = this.options;
    const reduced = () => reducedChannels(this.title, channels, { reduction, minChannels: 1 });
    return { valueChannels: valueChannels ?? reduced(), descriptors: descriptors ?? reduced() };
  }
}

/**
 * weights·map(x) in the order that takes less work: since the rows of the weights sum to 1, it is map(weights·x), bias and all.
 *
 * @param weights `[N, R, S]`
 * @param x `[N, S, channels]`
 * @returns `[N, R, units]`
 */
function mix(weights: Tensor3D, x: Tensor3D, map?: parts.Dense): Tensor3D {
  if (!map) return matMul(weights, x);
  const [, mixed, sources] = weights.shape;
  const [channels, units] = map.kernel.read().shape;
  const mapFirst = map.macs(sources) + mixed * sources * units <= mixed * sources * channels + map.macs(mixed);
  return mapFirst ? matMul(weights, map(x)) : map(matMul(weights, x));
}

/** A {@link DoubleAttention} layer. */
export function doubleAttention(options?: BlockArgs<DoubleAttentionOptions>): DoubleAttention {
  return new DoubleAttention(options);
}
