/**
 * Global second-order pooling over positions.
 *
 * Gao, Xie, Wang, Li. Global Second-order Pooling Convolutional Networks. CVPR 2019. https://arxiv.org/abs/1811.12006
 *
 * Equals `Bottleneck.pos_att` of the official code, github.com/ZilinGao/Global-Second-order-Pooling-Convolutional-Networks, and the rectified
 * product with its input. A covariance of the positions over d channels divides by d; the code divides by the number of positions, and
 * subtracts the means accordingly. With d = 64 the two are the same.
 */
import {
  Block,
  covariancePool,
  globalAvgPool,
  option,
  scale,
  transposeLast,
  type BlockArgs,
  type Schema,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, avgPool, expandDims, mul, relu, reshape, sigmoid, type Rank, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { adaptiveAvgPool } from './adaptive-avg-pool.js';
import { rowConv, VALUES_PER_ROW, type RowConv } from './row-conv.js';

export interface PositionSecondOrderPoolingOptions {
  /** Channels d that the covariance of the positions is taken over. Default: 128. */
  width?: number;
}

/** Height and width of the map that the covariance is taken of. */
const SIDE = 8;
const POSITIONS = SIDE * SIDE;

/**
 * Rectifies a map and scales each of its positions by a gate computed from the covariance of all positions of the map at 8×8 pixels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `spatial` `[N, H, W]`.
 */
export class PositionSecondOrderPooling extends Block<PositionSecondOrderPoolingOptions> {
  static override readonly className = 'SaccadePositionSecondOrderPooling';
  static override readonly options: Schema<PositionSecondOrderPoolingOptions> = {
    width: option.integer(128),
  };

  private reduce!: parts.DenseBatchNorm;
  private rowNorm!: parts.BatchNorm;
  private rowConv!: RowConv;
  private expand!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const { width } = this.options;
    const reduce = parts.dense(weights.at('reduce'), inputShape.at(-1)!, width, { kernelInitializer: parts.heNormal(width) });
    this.reduce = parts.denseBatchNorm(reduce, parts.batchNorm(weights.at('reduceNorm'), width));
    this.rowNorm = parts.batchNorm(weights.at('rowNorm'), POSITIONS);
    this.rowConv = rowConv(weights.at('rowConv'), POSITIONS);
    this.expand = parts.dense(weights.at('expand'), VALUES_PER_ROW * POSITIONS, POSITIONS, { kernelInitializer: parts.heNormal(POSITIONS) });
  }

  override forward(x: Tensor4D, training: boolean): Tensor4D {
    const rectified = relu(x);
    return scale(rectified, this.gate(rectified, training)); // [N, H, W, C]
  }

  override maps(x: Tensor4D): { spatial: Tensor } {
    return { spatial: this.gate(relu(x), false) };
  }

  override macs([images, height, width]: readonly number[]): number {
    const covariance = images * this.options.width * POSITIONS ** 2;
    return this.reduce.macs(images * height * width) + covariance + this.rowConv.macs(images) + this.expand.macs(images);
  }

  private gate(rectified: Tensor4D, training: boolean): Tensor3D {
    const [images, height, width] = rectified.shape;
    const covariance = this.rowNorm(this.covariance(this.features(rectified, training)), training); // [N, 64, 64], symmetric
    const gate = sigmoid(this.expand(relu(this.rowConv(covariance)))); // [N, 64]
    return adaptiveAvgPool(reshape(gate, [images, SIDE, SIDE]), [height, width]); // [N, H, W]
  }

  /** The reduced channels of the map at 8×8 pixels, `[N, d, 64]`. */
  private features(rectified: Tensor4D, training: boolean): Tensor3D {
    const [images, height, width] = rectified.shape;
    const rows = (x: Tensor4D): Tensor3D => transposeLast(reshape<Rank.R3>(x, [images, x.shape[1] * x.shape[2], x.shape[3]])); // [N, d, positions]
    // Means commute with both, as long as the batch norm takes no statistics; first to pool leaves little to convolve.
    if (!training && height % SIDE === 0 && width % SIDE === 0) {
      const window: [number, number] = [height / SIDE, width / SIDE];
      return rows(this.reduce(avgPool(rectified, window, window, 'valid'), training));
    }
    const maps: Tensor3D = reshape(rows(this.reduce(rectified, training)), [-1, height, width]); // [N·d, H, W]
    return reshape(adaptiveAvgPool(maps, [SIDE, SIDE]), [images, -1, POSITIONS]);
  }

  // XᵀX / 64 − ssᵀ / 64² with s the sum of X over the d channels, as the code has it, from the covariance and the means.
  private covariance(features: Tensor3D): Tensor3D {
    const ratio = this.options.width / POSITIONS;
    const mean = globalAvgPool(features);
    const ofMeans: Tensor3D = mul(expandDims(mean, 2), expandDims(mean, 1));
    return add(mul(covariancePool(features), ratio), mul(ofMeans, ratio * (1 - ratio)));
  }
}

/** A {@link PositionSecondOrderPooling} layer. */
export function positionSecondOrderPooling(options?: BlockArgs<PositionSecondOrderPoolingOptions>): PositionSecondOrderPooling {
  return new PositionSecondOrderPooling(options);
}
