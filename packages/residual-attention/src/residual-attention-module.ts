/**
 * The attention module of Residual Attention Networks.
 *
 * Wang, Jiang, Qian, Yang, Li, Zhang, Wang, Tang. Residual Attention Network for Image Classification. CVPR 2017. https://arxiv.org/abs/1704.06904
 *
 * Equals the modules of the authors' Caffe networks, github.com/fwang91/residual-attention-network, in their three stages (depths 3, 2 and 1).
 * Also equals `AttentionModule_stage1`, `_stage2` and `_stage3` of tengshaofeng's PyTorch port with `pooling: 'pytorch'` and `extraSkips: true`,
 * and its `AttentionModule_pre` without the latter. The numbers of residual units are the paper's {p = 1, t = 2, r = 1}.
 */
import { Block, option, scale, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { hourglass, type Hourglass, type Pooling } from './hourglass.js';
import { MASK_ATTENTION, type MaskAttention } from './mask-attention.js';
import { residualUnit, type ResidualUnit } from './residual-unit.js';

export interface ResidualAttentionModuleOptions {
  /** How often the mask branch halves the map: 3 in the paper's first stage, 2 in the second, 1 in the third. Default: 3. */
  depth?: number;
  /** What makes the mask of its logits: the paper's f1 (`mixed`), f2 (`channel`) or f3 (`spatial`). Default: `mixed`. */
  attention?: MaskAttention;
  /** Attention residual learning, (1 + M) · T (`residual`), or M · T (`naive`). Default: `residual`. */
  learning?: 'residual' | 'naive';
  /** Max pooling with incomplete last windows (`caffe`), or with a pixel of padding on each side (`pytorch`). Default: `caffe`. */
  pooling?: Pooling;
  /** Whether, as in the PyTorch port, what a level of the mask branch pools is added to what it upsamples, and to the outermost the trunk. Default: false. */
  extraSkips?: boolean;
  /** Reduction ratio r: the bottlenecks of the residual units have C / r channels, rounded down. Default: 4. */
  reduction?: number;
  /** Channels of these bottlenecks, instead of a reduction. Default: null. */
  width?: number | null;
}

/**
 * Weights the features of a trunk of residual units by a mask, one value a channel and position, that a branch beside it computes by going
 * down to a coarse map and up again.
 *
 * Input and output: `[N, H, W, C]`; `caffe` pooling needs H and W of at least 2^depth. Attention maps: `mask` `[N, H, W, C]`.
 */
export class ResidualAttentionModule extends Block<ResidualAttentionModuleOptions> {
  static override readonly className = 'SaccadeResidualAttentionModule';
  static override readonly options: Schema<ResidualAttentionModuleOptions> = {
    depth: option.integer(3),
    attention: option.oneOf(Object.keys(MASK_ATTENTION) as MaskAttention[], 'mixed'),
    learning: option.oneOf(['residual', 'naive'], 'residual'),
    pooling: option.oneOf(['caffe', 'pytorch'], 'caffe'),
    extraSkips: option.flag(false),
    reduction: option.number(4),
    width: option.optional(option.integer(1)),
  };

  protected override readonly minSize = this.options.pooling === 'caffe' ? 2 ** this.options.depth : 1;

  private first!: ResidualUnit;
  private trunk!: ResidualUnit[];
  private hourglass!: Hourglass;
  private norm1!: parts.BatchNorm;
  private conv1!: parts.DenseBatchNorm;
  private conv2!: parts.Dense;
  private last!: ResidualUnit;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { depth, pooling, extraSkips, reduction, width } = this.options;
    const unit = (weights: WeightScope): ResidualUnit => {
      const unit = residualUnit({ reduction, width });
      unit.define(weights, inputShape);
      return unit;
    };
    this.first = unit(weights.at('first'));
    this.trunk = [unit(weights.at('trunk0')), unit(weights.at('trunk1'))];
    this.hourglass = hourglass(weights.at('hourglass'), { depth, pooling, extraSkips, unit });
    const norm = (name: string) => parts.batchNorm(weights.at(name), channels, { activation: 'relu' });
    const conv = (name: string) => parts.dense(weights.at(name), channels, channels, { useBias: false });
    this.norm1 = norm('norm1');
    this.conv1 = parts.denseBatchNorm(conv('conv1'), norm('norm2'));
    this.conv2 = conv('conv2');
    this.last = unit(weights.at('last'));
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const { trunk, mask } = this.branches(x, training); // [N, H, W, C] each
    const attended = scale(trunk, mask, { residual: this.options.learning === 'residual' }); // equations 3 and 1
    return this.last.forward(attended, training);
  }

  override maps(x: Tensor4D): { mask: Tensor } {
    return { mask: this.branches(x, false).mask };
  }

  override macs(inputShape: readonly number[]): number {
    const [images, height, width] = inputShape;
    const units = [this.first, ...this.trunk, this.last].reduce((sum, unit) => sum + unit.macs(inputShape), 0);
    return units + this.hourglass.macs(inputShape) + this.conv1.macs(images * height * width) + this.conv2.macs(images * height * width);
  }

  private branches(x: Tensor4D, training: boolean): { trunk: Tensor4D; mask: Tensor4D } {
    const { attention, extraSkips } = this.options;
    const shared = this.first.forward(x, training);
    const trunk = this.trunk.reduce((t, unit) => unit.forward(t, training), shared); // T(x)
    const upsampled = this.hourglass(shared, training);
    const h = extraSkips ? add<Tensor4D>(upsampled, trunk) : upsampled;
    const logits = this.conv2(this.conv1(this.norm1(h, training), training));
    return { trunk, mask: MASK_ATTENTION[attention](logits) }; // M(x)
  }
}

/** A {@link ResidualAttentionModule} layer. */
export function residualAttentionModule(options?: BlockArgs<ResidualAttentionModuleOptions>): ResidualAttentionModule {
  return new ResidualAttentionModule(options);
}
