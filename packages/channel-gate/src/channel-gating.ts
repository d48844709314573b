/**
 * The design space of channel gates: any squeeze with any excitation.
 *
 * A channel gate is nothing but the two (Hu et al. Squeeze-and-Excitation Networks. CVPR 2018. https://arxiv.org/abs/1709.01507): a squeeze makes one
 * value of all positions of a channel, an excitation a gate of the values of all channels. Wang et al. (SASE: A Searching Architecture for Squeeze
 * and Excitation Operations. 2024. https://arxiv.org/abs/2411.08333) search a space of such pairs; this layer makes one by name.
 *
 * On the same weights it equals `SqueezeExcite`, `EfficientChannelAttention`, `GlobalContext` where that multiplies, and CBAM's `ChannelGate`.
 * The squeezes are in squeeze.ts, the excitations in excitation.ts, each with its definition and source.
 */
import {
  Block,
  GATES,
  globalPools,
  option,
  scale,
  sizeOf,
  type Activation,
  type BlockArgs,
  type Gate,
  type Option,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import { addN, mul, stack, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { EXCITATIONS, type ExcitationPart } from './excitation.js';
import { FIXED_SIZE, SQUEEZES, type SqueezePart } from './squeeze.js';

/** What makes one value of all positions of a channel. */
export type Squeeze = keyof typeof SQUEEZES;
/** What makes the logits of the gates of the values of all channels. */
export type Excitation = keyof typeof EXCITATIONS;

export interface ChannelGatingOptions {
  /**
   * `avg`, `max`, `std` (standard deviation), `lp`, `logSumExp`, `depthwise` (a learned weight a position and channel), `linear` (a learned weight a
   * position), `cluster` (learned soft clusters) or `attention`. Of a list of them, each goes through the excitation, the same for all, and the results
   * are summed, as in CBAM. `depthwise` and `linear` fix the height and width of the maps. Default: `avg`.
   */
  squeeze?: Squeeze | readonly Squeeze[];
  /** The exponent of `lp`, at least 1. Default: 2. */
  p?: number;
  /** The number of clusters of `cluster`. Default: 32, as in EncNet. */
  clusters?: number;
  /**
   * `bottleneck` (two linear maps with few channels between them), `conv` (a convolution along the channels), `multiScale` (several of different sizes,
   * whose gates are averaged) or `selfAttention` (of the channels among each other). Default: `bottleneck`.
   */
  excitation?: Excitation;
  /** Reduction ratio r: the bottleneck has C / r channels. Default: 16. */
  reduction?: number;
  /** Channels of the bottleneck, instead of a reduction. Default: null. */
  width?: number | null;
  /** Rounds C / r to the nearest multiple of this, which is also the least; 1 rounds down. Default: 1. */
  divisor?: number;
  /** The least number of channels of the bottleneck. Default: 0, so that a reduction that leaves none is an error. */
  minChannels?: number;
  /** Between the two maps of the bottleneck. Default: `relu`. */
  activation?: Activation;
  /** Before that activation: `none`, or `layer` as in GC. Default: `none`. */
  norm?: 'none' | 'layer';
  /** Whether both maps of the bottleneck have a bias. Default: true. */
  useBias?: boolean;
  /** Length of the kernel of `conv`, and of those of `selfAttention`, odd; null: by ECA's rule from the number of channels. Default: null. */
  kernelSize?: number | null;
  /** Lengths of the kernels of `multiScale`, odd and different. Default: `[3, 5, 7]`. */
  kernelSizes?: readonly number[];
  /** What makes the gate of the logits. Default: `sigmoid`. */
  gate?: Gate;
}

/**
 * Scales each channel by a gate that an excitation computes from the squeezed values of all channels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`; with the squeeze `attention` also `spatial` `[N, H, W]`, with `cluster` also
 * `clusters` `[N, H, W, clusters]`, to what degree each position belongs to each.
 */
export class ChannelGating extends Block<ChannelGatingOptions> {
  static override readonly className = 'SaccadeChannelGating';
  static override readonly options: Schema<ChannelGatingOptions> = {
    squeeze: oneOrSomeOf(Object.keys(SQUEEZES) as Squeeze[], 'avg'),
    p: { default: 2, expected: 'a number ≥ 1', accepts: (v) => Number.isFinite(v) && (v as number) >= 1 },
    clusters: option.integer(32),
    excitation: option.oneOf(Object.keys(EXCITATIONS) as Excitation[], 'bottleneck'),
    reduction: option.number(16),
    width: option.optional(option.integer(1)),
    divisor: option.integer(1),
    minChannels: option.integer(0, { min: 0 }),
    activation: option.activation('relu'),
    norm: option.oneOf(['none', 'layer'], 'none'),
    useBias: option.flag(true),
    kernelSize: option.optional(option.oddInteger(3)),
    kernelSizes: differentOddIntegers([3, 5, 7]),
    gate: option.gate('sigmoid'),
  };

  private squeezes!: SqueezePart[];
  private excitation!: ExcitationPart;

  override define(weights: WeightScope, inputShape: Shape): void {
    this.squeezes = this.names.map((name) => SQUEEZES[name](weights.at('squeeze').at(name), inputShape, this.options));
    this.excitation = EXCITATIONS[this.options.excitation](weights.at('excitation'), inputShape.at(-1)!, this.options, this.title);
  }

  override forward(x: Tensor): Tensor {
    const logits = this.excite(x);
    return logits.length > 1 ? scale(x, this.gateOf(logits)) : scale(x, logits[0], { activation: this.options.gate }); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    return Object.assign({ channel: this.gateOf(this.excite(x)) }, ...this.squeezes.map((squeeze) => squeeze.maps?.(x)));
  }

  override macs([images, ...map]: readonly number[]): number {
    const positions = sizeOf(map.slice(0, -1));
    const squeezing = this.squeezes.reduce((sum, squeeze) => sum + squeeze.macs(positions), 0);
    return images * squeezing + this.excitation.macs(images * this.squeezes.length);
  }

  protected override get sizeTie(): string | null {
    const fixed = FIXED_SIZE.find((name) => this.names.includes(name));
    return fixed ? `its squeeze "${fixed}" has a weight for each position` : null;
  }

  private get names(): Squeeze[] {
    return [this.options.squeeze].flat();
  }

  /** The mean of the gates of such logits, `[N, C]`. */
  private gateOf(logits: Tensor2D[]): Tensor2D {
    const gates = logits.map((logits) => GATES[this.options.gate](logits));
    return gates.length === 1 ? gates[0] : mul(addN(gates), 1 / gates.length);
  }

  /** The logits of one or more gates, `[N, C]` each. */
  private excite(x: Tensor): Tensor2D[] {
    return this.excitation(this.squeeze(x));
  }

  /** `[squeezes, N, C]`: the excitation is shared, so all go through it at once. */
  private squeeze(x: Tensor): Tensor3D {
    const { names } = this;
    if (names.every((name) => name === 'avg' || name === 'max')) return globalPools(x, names);
    return stack(this.squeezes.map((squeeze) => squeeze(x))) as Tensor3D;
  }
}

/** A {@link ChannelGating} layer. */
export function channelGating(options?: BlockArgs<ChannelGatingOptions>): ChannelGating {
  return new ChannelGating(options);
}

function oneOrSomeOf<T extends string>(names: readonly T[], initial: T): Option<T | readonly T[]> {
  const [one, some] = [option.oneOf(names, initial), option.someOf(names, [initial])];
  return { default: initial, expected: `${one.expected}, or ${some.expected}`, accepts: (v) => one.accepts(v) || some.accepts(v) };
}

function differentOddIntegers(initial: readonly number[]): Option<readonly number[]> {
  const one = option.oddInteger(1);
  return {
    default: initial,
    expected: 'a list of one or more different odd whole numbers ≥ 1',
    accepts: (v) => Array.isArray(v) && v.length > 0 && new Set(v).size === v.length && v.every(one.accepts),
  };
}
