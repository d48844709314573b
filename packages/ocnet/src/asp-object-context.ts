/**
 * Object context pooling beside atrous convolutions, ASP-OC: an atrous spatial pyramid whose image-level features are object context.
 *
 * Yuan, Huang, Guo, Zhang, Chen, Wang. OCNet: Object Context for Semantic Segmentation. IJCV 2021. https://arxiv.org/abs/1809.00916
 *
 * Equals the authors' `ASP_OC_Module`, with batch norm and a leaky ReLU in place of InPlaceABN, which scales by |gamma| + 1e-5 where batch norm
 * scales by gamma. The code attends on the map max-pooled by 2; `sizes: [1]` is attention on the map itself.
 */
import { Block, channelDropout, option, type BlockArgs, type Schema, type Shape, type WeightScope } from '@saccade/core';
import { concat, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { activatedConv, type ActivatedConv } from './activated-conv.js';
import { baseObjectContext, type BaseObjectContext } from './base-object-context.js';

export interface ASPObjectContextOptions {
  /** Channels of each branch; the output has twice as many. Default: 256. */
  width?: number;
  /** Of the 3×3 convolutions, one branch each. Default: [12, 24, 36]. */
  dilations?: readonly number[];
  /** Of the {@link BaseObjectContext}. Default: [2]. */
  sizes?: readonly number[];
  /** Rate at which channels of the output are dropped in training. Default: 0.1. */
  dropout?: number;
}

/**
 * Joins each position's features, what lies around it at several distances, and its object context.
 *
 * Input: `[N, H, W, C]`, output: `[N, H, W, 2·width]`. Attention maps: those of {@link BaseObjectContext}.
 */
export class ASPObjectContext extends Block<ASPObjectContextOptions> {
  static override readonly className = 'SaccadeASPObjectContext';
  static override readonly options: Schema<ASPObjectContextOptions> = {
    width: option.integer(256),
    dilations: option.listOf(option.integer(1), [12, 24, 36]),
    sizes: option.listOf(option.integer(1), [2]),
    dropout: option.dropoutRate(0.1),
  };

  protected override readonly minSize = Math.max(...this.options.sizes);

  private reduce!: ActivatedConv;
  private context!: BaseObjectContext;
  private branches!: ActivatedConv[];
  private fuse!: ActivatedConv;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    const { width, dilations, sizes } = this.options;
    this.reduce = activatedConv(weights.at('reduce'), channels, width, { kernelSize: 3 });
    this.context = baseObjectContext({ sizes, valueChannels: width, concatInput: false, dropout: 0 });
    this.context.define(weights.at('context'), [...inputShape.slice(0, -1), width]);
    const kernels = [{ kernelSize: 1 }, ...dilations.map((dilation) => ({ kernelSize: 3, dilation }))];
    this.branches = kernels.map((kernel, i) => activatedConv(weights.at(`branch${i}`), channels, width, { ...kernel, useBias: false }));
    this.fuse = activatedConv(weights.at('fuse'), (1 + kernels.length) * width, 2 * width, { useBias: false });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const context = this.context.forward(this.reduce(x, training), training); // [N, H, W, width]
    const around = this.branches.map((branch) => branch(x, training)); // each [N, H, W, width]
    const y = this.fuse(concat([context, ...around], 3), training); // [N, H, W, 2·width]
    const { dropout } = this.options;
    return training && dropout > 0 ? channelDropout(y, dropout) : y;
  }

  override maps(x: Tensor4D, queries: readonly number[]): Record<string, Tensor> {
    return this.context.maps(this.reduce(x, false), queries);
  }

  override macs([batch, height, width]: readonly number[]): number {
    const positions = batch * height * width;
    const layers = [this.reduce, ...this.branches, this.fuse].reduce((sum, layer) => sum + layer.macs(positions), 0);
    return layers + this.context.macs([batch, height, width]);
  }

  protected override outputShapeFor(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), 2 * this.options.width];
  }
}

/** An {@link ASPObjectContext} layer. */
export function aspObjectContext(options?: BlockArgs<ASPObjectContextOptions>): ASPObjectContext {
  return new ASPObjectContext(options);
}
