/**
 * GALA, global-and-local attention.
 *
 * Linsley, Shiebler, Eberhardt, Serre. Learning what and where to attend. ICLR 2019. https://arxiv.org/abs/1805.08819
 *
 * `form: 'paper'` is the paper's equations. `form: 'release'` equals `feature_attention_gala` of the authors' code, github.com/serre-lab/gala_tpu,
 * which differs: another 5×5 convolution in the local branch, a ReLU after the global branch, a sigmoid for the tanh, and weights of the
 * interaction only where there are both kinds.
 */
import {
  Block,
  globalAvgPool,
  jointLogits,
  option,
  reducedChannels,
  scaleJointly,
  tanh,
  type BlockArgs,
  type ChannelTerms,
  type Schema,
  type Shape,
  type Weight,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, mul, relu, sigmoid, squeeze, zerosLike, type Tensor, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

const SQUASHES = { tanh, sigmoid } as const;

export interface GlobalLocalAttentionOptions {
  /** The paper's equations or the released code. It decides what options that are null stand for. Default: `paper`. */
  form?: 'paper' | 'release';
  /** Reduction ratio r: the hidden layers of both branches have C / r channels, rounded down. Default: 4. */
  reduction?: number;
  /** How the global vector g and the local map S meet: `additive` g + S, `multiplicative` g·S, or the sum of `both`. Default: `both`. */
  interaction?: 'additive' | 'multiplicative' | 'both';
  /** Whether each kind of interaction has a learned weight a channel. Default: null, in the release with `both` only, in the paper's form always. */
  weighted?: boolean | null;
  /** What makes the gate of the interaction. Default: null, `tanh` in the paper's form, `sigmoid` in the release. */
  squash?: keyof typeof SQUASHES | null;
  /** Further convolutions in the local branch. Default: null, 0 in the paper's form, 1 in the release. */
  extraConvs?: number | null;
  /** Side of their kernel, odd. Default: 5. */
  extraConvSize?: number;
  /** Whether all layers have a bias. Default: true. */
  useBias?: boolean;
}

/**
 * Scales each value by a gate in which a global branch, what to attend to, and a local one, where to, interact.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `gate` `[N, H, W, C]`, in (−1, 1) or with a sigmoid (0, 1), and the branches that it is made
 * of, `channel` `[N, C]` and `spatial` `[N, H, W]`.
 */
export class GlobalLocalAttention extends Block<GlobalLocalAttentionOptions> {
  static override readonly className = 'SaccadeGlobalLocalAttention';
  static override readonly options: Schema<GlobalLocalAttentionOptions> = {
    form: option.oneOf(['paper', 'release'], 'paper'),
    reduction: option.number(4),
    interaction: option.oneOf(['additive', 'multiplicative', 'both'], 'both'),
    weighted: option.optional(option.flag(true)),
    squash: option.optional(option.oneOf(['tanh', 'sigmoid'], 'tanh')),
    extraConvs: option.optional(option.integer(0, { min: 0 })),
    extraConvSize: option.oddInteger(5),
    useBias: option.flag(true),
  };

  private globalShrink!: parts.Dense;
  private globalExpand!: parts.Dense;
  private localShrink!: parts.Dense;
  private extraConvs!: parts.Conv2D[];
  private localCollapse!: parts.Dense;
  private additive!: Weight | null;
  private multiplicative!: Weight | null;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { form, interaction, extraConvSize, useBias } = this.options;
    const channels = inputShape.at(-1)!;
    const hidden = reducedChannels(this.title, channels, this.options);
    // As the released code starts, of which the paper says nothing.
    const biasInitializer = initializers.zeros();
    const fullyConnected = { useBias, kernelInitializer: initializers.glorotUniform({}), biasInitializer };
    const convolutional = { useBias, kernelInitializer: initializers.leCunNormal({}), biasInitializer };
    this.globalShrink = parts.dense(weights.at('globalShrink'), channels, hidden, fullyConnected);
    this.globalExpand = parts.dense(weights.at('globalExpand'), hidden, channels, fullyConnected);
    this.localShrink = parts.dense(weights.at('localShrink'), channels, hidden, convolutional);
    this.extraConvs = Array.from({ length: this.options.extraConvs ?? (form === 'paper' ? 0 : 1) }, (_, i) =>
      parts.conv2d(weights.at(`extra${i}`), hidden, hidden, { kernelSize: extraConvSize, ...convolutional }),
    );
    this.localCollapse = parts.dense(weights.at('localCollapse'), hidden, 1, convolutional);
    const weighted = this.options.weighted ?? (form === 'paper' || interaction === 'both');
    const weightOf = (kind: 'additive' | 'multiplicative') =>
      weighted && (interaction === kind || interaction === 'both')
        ? weights.add(kind, [channels], initializers.truncatedNormal({ stddev: 1 }))
        : null;
    this.additive = weightOf('additive');
    this.multiplicative = weightOf('multiplicative');
  }

  override forward(x: Tensor): Tensor {
    const [g, s] = [this.globalBranch(x), this.localBranch(x)];
    return scaleJointly(x, s, this.interact(g), { activation: this.squash }); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<'channel' | 'spatial' | 'gate', Tensor> {
    const channel = this.globalBranch(x);
    const spatial = this.localBranch(x);
    return { channel, spatial, gate: SQUASHES[this.squash](jointLogits(spatial, this.interact(channel))) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const sum = (layers: (parts.Dense | parts.Conv2D)[], positions: number) => layers.reduce((macs, layer) => macs + layer.macs(positions), 0);
    const local = [this.localShrink, ...this.extraConvs, this.localCollapse];
    return sum([this.globalShrink, this.globalExpand], images) + sum(local, images * height * width);
  }

  /** What: g. */
  private globalBranch(x: Tensor): Tensor2D {
    const g = this.globalExpand(relu(this.globalShrink(globalAvgPool(x))));
    return this.options.form === 'paper' ? g : relu(g); // [N, C]
  }

  /** Where: S. */
  private localBranch(x: Tensor): Tensor3D {
    let hidden = relu(this.localShrink(x as Tensor4D)); // [N, H, W, C / r]
    for (const conv of this.extraConvs) hidden = relu(conv(hidden));
    return squeeze(this.localCollapse(hidden), [3]); // [N, H, W]
  }

  private get squash(): keyof typeof SQUASHES {
    return this.options.squash ?? (this.options.form === 'paper' ? 'tanh' : 'sigmoid');
  }

  /** a·(g + S) + m·(g·S) as (a + m·g)·S + a·g: one multiply-add a value of the map. */
  private interact(g: Tensor2D): ChannelTerms {
    const [a, m] = [this.additive?.read(), this.multiplicative?.read()];
    const offset: Tensor2D = a ? mul(g, a) : g;
    if (this.options.interaction === 'additive') return { factor: a && add(zerosLike(g), a), offset };
    const slope: Tensor2D = m ? mul(g, m) : g;
    return this.options.interaction === 'both' ? { factor: add(slope, a ?? 1), offset } : { factor: slope };
  }
}

/** A {@link GlobalLocalAttention} layer. */
export function globalLocalAttention(options?: BlockArgs<GlobalLocalAttentionOptions>): GlobalLocalAttention {
  return new GlobalLocalAttention(options);
}
