/**
 * Selective kernel convolution.
 *
 * Li, Wang, Hu, Yang. Selective Kernel Networks. CVPR 2019. https://arxiv.org/abs/1903.06586
 *
 * Equals the block of the official Caffe networks, github.com/implus/SKNet, where paper and code agree, and timm's `SelectiveKernel`, whose
 * additions are options: its own defaults are `groups: 1` and `splitInput: true`. Batch norms follow with timm's momentum of 0.1; Caffe's is 0.05.
 */
import {
  Block,
  BlockError,
  blend,
  channelsOf,
  convolvedSize,
  globalAvgPool,
  option,
  reducedChannels,
  show,
  transposeLast,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, reshape, softmax, split, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface SelectiveKernelOptions {
  /** A branch for each of these sizes of kernels, all odd. Default: `[3, 5]`. */
  kernelSizes?: readonly number[];
  /** Whether a kernel larger than 3 is one of size 3, dilated to that size. Default: true. */
  keep3x3?: boolean;
  /** Output channels. Default: null, as many as the input has. */
  filters?: number | null;
  /** Groups of each convolution: they divide its inputs and its filters. Default: 32. */
  groups?: number;
  /** Stride of the convolutions. Default: 1. */
  stride?: number;
  /** Dilation of the convolutions, on top of that of `keep3x3`. Default: 1. */
  dilation?: number;
  /** Whether each branch reads its own share of the input's channels. Default: false, all read all. */
  splitInput?: boolean;
  /** Reduction ratio r: the attention's hidden layer has filters / r units, rounded down. Default: 16. */
  reduction?: number;
  /** The least number of these units, the paper's L. Default: 32. */
  minChannels?: number;
  /** These units, instead of a reduction. Default: null. */
  width?: number | null;
}

/**
 * Convolves with kernels of several sizes, and lets each output channel select among them by softmax attention.
 *
 * Input: `[N, H, W, C]`, output: `[N, H', W', filters]`, up to a stride of 2 `⌈H/stride⌉` and `⌈W/stride⌉`. Attention maps: `channel`
 * `[N, branches, filters]`, the weight of each branch.
 */
export class SelectiveKernel extends Block<SelectiveKernelOptions> {
  static override readonly className = 'SaccadeSelectiveKernel';
  static override readonly options: Schema<SelectiveKernelOptions> = {
    kernelSizes: option.listOf(option.oddInteger(3), [3, 5]),
    keep3x3: option.flag(true),
    filters: option.optional(option.integer(1)),
    groups: option.integer(32),
    stride: option.integer(1),
    dilation: option.integer(1),
    splitInput: option.flag(false),
    reduction: option.number(16),
    minChannels: option.integer(32, { min: 0 }),
    width: option.optional(option.integer(1)),
  };

  private branches!: parts.ConvBatchNorm[];
  private reduce!: parts.DenseBatchNorm;
  private select!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { kernelSizes, splitInput, groups } = this.options;
    const filters = this.options.filters ?? channels;
    const inputs = splitInput ? channels / kernelSizes.length : channels;
    this.checkDivisors(channels, inputs, filters);
    this.branches = branchGeometries(this.options).map((geometry, i) => {
      const kernelInitializer = parts.heNormal((geometry.kernelSize ** 2 * inputs) / groups);
      return parts.convBatchNorm(weights.at(`branch${i}`), inputs, filters, { ...geometry, groups, kernelInitializer, activation: 'relu' });
    });
    const width = this.options.width ?? reducedChannels(this.title, filters, this.options);
    // So small that all branches start with about the same weight.
    const dense = { useBias: false, kernelInitializer: initializers.randomNormal({ mean: 0, stddev: 0.01 }) };
    this.reduce = parts.denseBatchNorm(
      parts.dense(weights.at('reduce'), filters, width, dense),
      parts.batchNorm(weights.at('norm'), width, { activation: 'relu' }),
    );
    this.select = parts.dense(weights.at('select'), width, kernelSizes.length * filters, dense);
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const features = this.transform(x, training);
    return blend(features, this.attention(features, training), 'softmax'); // V, equations 5 and 6
  }

  override maps(x: Tensor4D): { channel: Tensor } {
    const logits = this.attention(this.transform(x, false), false);
    return { channel: transposeLast(softmax(transposeLast(logits))) };
  }

  override macs(inputShape: readonly number[]): number {
    const [images, height, width] = this.outputShapeFor(inputShape) as number[];
    const branches = this.branches.reduce((sum, branch) => sum + branch.macs(images * height * width), 0);
    return branches + this.reduce.macs(images) + this.select.macs(images);
  }

  protected override outputShapeFor([images, height, width, channels]: Shape): Shape {
    const [{ kernelSize, ...geometry }] = branchGeometries(this.options);
    return [images, convolvedSize(height, kernelSize, geometry), convolvedSize(width, kernelSize, geometry), this.options.filters ?? channels];
  }

  /** What each branch makes of the input: U, `[N, H', W', filters]` each. */
  private transform(x: Tensor4D, training: boolean): Tensor4D[] {
    const shares: Tensor4D[] = this.options.splitInput ? split(x, this.branches.length, 3) : this.branches.map(() => x);
    return this.branches.map((branch, i) => branch(shares[i], training));
  }

  /** The logits of the branches' weights in each channel, from the means of all branches' sum: `[N, branches, filters]`. */
  private attention(features: Tensor4D[], training: boolean): Tensor3D {
    const s = features.map((feature) => globalAvgPool(feature)).reduce((a, b) => add(a, b)); // [N, filters], equations 1 and 2
    const z = this.reduce(s, training); // [N, width], equation 3
    return reshape(this.select(z), [s.shape[0], features.length, channelsOf(s)]);
  }

  private checkDivisors(channels: number, inputs: number, filters: number): void {
    const { kernelSizes, groups } = this.options;
    if (!Number.isInteger(inputs)) {
      throw new BlockError(
        `${this.title}: splitInput cannot divide ${channels} channels among the ${kernelSizes.length} branches of kernelSizes ${show(kernelSizes)}. Give as many branches as divide them.`,
      );
    }
    if (inputs % groups !== 0 || filters % groups !== 0) {
      throw new BlockError(
        `${this.title}: option "groups" is ${groups}, but must divide both the ${inputs} channels that a branch reads and its ${filters} filters. Give a common divisor, such as 1.`,
      );
    }
  }
}

/** How the kernel of each branch lies on the map. The padding is timm's: it keeps the map's size for stride 1. */
export function branchGeometries({ kernelSizes, keep3x3, stride, dilation }: Required<SelectiveKernelOptions>) {
  return kernelSizes.map((size) => {
    const dilated = keep3x3 && size > 3;
    const reach = dilation * (size - 1); // from the first tap to the last
    return { kernelSize: dilated ? 3 : size, dilation: dilated ? reach / 2 : dilation, stride, padding: Math.floor((stride - 1 + reach) / 2) };
  });
}

/** A {@link SelectiveKernel} layer. */
export function selectiveKernel(options?: BlockArgs<SelectiveKernelOptions>): SelectiveKernel {
  return new SelectiveKernel(options);
}
