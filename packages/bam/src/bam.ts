/**
 * BAM, the bottleneck attention module.
 *
 * Park, Woo, Lee, Kweon. BAM: Bottleneck Attention Module. BMVC 2018. https://arxiv.org/abs/1807.06514
 *
 * Equals `BAM` of the official code, github.com/Jongchan/attention-module, once the line is deleted that stops it from running. The code, and so
 * its checkpoints, multiply the two branches; the paper adds them, which is `combine: 'sum'`. The paper normalises at the end of each branch, the
 * code after each hidden layer, as here. The code pools windows of H×H pixels, the mean of a square map only; here it is the mean of any map.
 */
import {
  Block,
  globalAvgPool,
  jointLogits,
  option,
  reducedChannels,
  scaleJointly,
  type BlockArgs,
  type ChannelTerms,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { sigmoid, squeeze, type Tensor, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface BAMOptions {
  /** Reduction ratio r: the hidden layers of both branches have C / r channels, rounded down. Default: 16. */
  reduction?: number;
  /** Hidden layers of the channel branch. Default: 1. */
  hiddenLayers?: number;
  /** 3×3 convolutions of the spatial branch. Default: 2. */
  dilatedConvs?: number;
  /** Their dilation. Default: 4. */
  dilation?: number;
  /** How the branches become one: `multiply` as in the official code, `sum` as in the paper. Default: `multiply`. */
  combine?: 'multiply' | 'sum';
}

/**
 * Scales each value by 1 + a gate, in which a branch that sees the means of the channels and one that sees each position's surroundings meet.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `gate` `[N, H, W, C]`, in (0, 1), and what the branches contribute to its logits:
 * `channel` `[N, C]` and `spatial` `[N, H, W]`.
 */
export class BAM extends Block<BAMOptions> {
  static override readonly className = 'SaccadeBAM';
  static override readonly options: Schema<BAMOptions> = {
    reduction: option.number(16),
    hiddenLayers: option.integer(1, { min: 0 }),
    dilatedConvs: option.integer(2, { min: 0 }),
    dilation: option.integer(4),
    combine: option.oneOf(['multiply', 'sum'], 'multiply'),
  };

  private channelLayers!: parts.DenseBatchNorm[];
  private toChannels!: parts.Dense;
  private reduce!: parts.DenseBatchNorm;
  private dilatedConvs!: parts.ConvBatchNorm[];
  private toMap!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const hidden = reducedChannels(this.title, channels, this.options);
    const { hiddenLayers, dilatedConvs, dilation } = this.options;
    // The official networks set all biases to zero, and give convolutions He et al.'s initialisation over the outputs.
    const biasInitializer = initializers.zeros();
    const norm = (name: string) => parts.batchNorm(weights.at(name), hidden, { activation: 'relu' });
    this.channelLayers = Array.from({ length: hiddenLayers }, (_, i) => {
      const layer = parts.dense(weights.at(`channel${i}`), i === 0 ? channels : hidden, hidden, { biasInitializer });
      return parts.denseBatchNorm(layer, norm(`channelNorm${i}`));
    });
    this.toChannels = parts.dense(weights.at('toChannels'), hiddenLayers === 0 ? channels : hidden, channels, { biasInitializer });
    const reduce = parts.dense(weights.at('reduce'), channels, hidden, { kernelInitializer: parts.heNormal(hidden), biasInitializer });
    this.reduce = parts.denseBatchNorm(reduce, norm('reduceNorm'));
    const convOptions = { kernelSize: 3, dilation, kernelInitializer: parts.heNormal(9 * hidden), biasInitializer };
    this.dilatedConvs = Array.from({ length: dilatedConvs }, (_, i) => {
      const layer = parts.conv2d(weights.at(`dilated${i}`), hidden, hidden, convOptions);
      return parts.normalisedConv(layer, norm(`dilatedNorm${i}`));
    });
    this.toMap = parts.dense(weights.at('toMap'), hidden, 1, { kernelInitializer: parts.heNormal(1), biasInitializer });
  }

  override forward(x: Tensor, training: boolean): Tensor {
    const [channel, spatial] = [this.channelBranch(x, training), this.spatialBranch(x, training)];
    return scaleJointly(x, spatial, this.combine(channel), { residual: true }); // [N, H, W, C], equations 1 and 2
  }

  override maps(x: Tensor): Record<'channel' | 'spatial' | 'gate', Tensor> {
    const channel = this.channelBranch(x, false);
    const spatial = this.spatialBranch(x, false);
    return { channel, spatial, gate: sigmoid(jointLogits(spatial, this.combine(channel))) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const channelBranch = [...this.channelLayers, this.toChannels];
    const spatialBranch = [this.reduce, ...this.dilatedConvs, this.toMap];
    const sum = (layers: { macs(positions: number): number }[], positions: number) => layers.reduce((macs, layer) => macs + layer.macs(positions), 0);
    return sum(channelBranch, images) + sum(spatialBranch, images * height * width);
  }

  private channelBranch(x: Tensor, training: boolean): Tensor2D {
    let hidden = globalAvgPool(x); // [N, C]
    for (const layer of this.channelLayers) hidden = layer(hidden, training); // [N, C / r]
    return this.toChannels(hidden); // [N, C], equation 3
  }

  private spatialBranch(x: Tensor, training: boolean): Tensor3D {
    let hidden = this.reduce(x as Tensor4D, training); // [N, H, W, C / r]
    for (const conv of this.dilatedConvs) hidden = conv(hidden, training);
    return squeeze(this.toMap(hidden), [3]); // [N, H, W], equation 4
  }

  /** How the channels' logits join the positions'. */
  private combine(channel: Tensor2D): ChannelTerms {
    return this.options.combine === 'sum' ? { offset: channel } : { factor: channel };
  }
}

/** A {@link BAM} layer. */
export function bam(options?: BlockArgs<BAMOptions>): BAM {
  return new BAM(options);
}
