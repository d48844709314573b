/**
 * Triplet attention.
 *
 * Misra, Nalamada, Arasanipalai, Hou. Rotate to Attend: Convolutional Triplet Attention Module. WACV 2021. https://arxiv.org/abs/2010.03045
 *
 * Equals `TripletAttention` of the official code, github.com/landskape-ai/triplet-attention, which can leave the spatial branch out. The code
 * rotates the map for two of its branches, pools the axis that has become the channels, scales, and rotates back. Here nothing is rotated:
 * pooling the axis where it is gives the same planes, and the mean of three scaled maps is the map scaled by the mean of the gates.
 */
import {
  Block,
  channelAvgPool,
  channelMaxPool,
  convolvePlanes,
  differentiable,
  option,
  scale,
  stripAvgPool,
  stripMaxPool,
  type BlockArgs,
  type Schema,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, expandDims, mul, sigmoid, squeeze, transpose, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

export interface TripletAttentionOptions {
  /** Side of the convolutions' kernels, odd. Default: 7. */
  kernelSize?: number;
  /** Whether there is a spatial branch beside the two that join the channels with height and with width. Default: true. */
  spatial?: boolean;
}

/** What makes a gate of two pooled planes. */
interface Branch {
  readonly conv: parts.Conv2D;
  readonly norm: parts.BatchNorm;
}

interface Gates {
  readonly width: Tensor3D;
  readonly height: Tensor3D;
  readonly spatial?: Tensor3D;
}

/**
 * Scales each value by the mean of three gates, each computed by a convolution from the maximum and the mean over one axis: over the height,
 * over the width and over the channels.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `width` `[N, W, C]`, `height` `[N, H, C]`, and with `spatial` also `spatial` `[N, H, W]`.
 */
export class TripletAttention extends Block<TripletAttentionOptions> {
  static override readonly className = 'SaccadeTripletAttention';
  static override readonly options: Schema<TripletAttentionOptions> = {
    kernelSize: option.oddInteger(7),
    spatial: option.flag(true),
  };

  protected override readonly fixesChannels = false;

  private width!: Branch;
  private height!: Branch;
  private spatial!: Branch | null;

  override define(weights: WeightScope): void {
    const { kernelSize } = this.options;
    const branch = (scope: WeightScope, gammaInitializer = initializers.ones()): Branch => ({
      // He et al.'s initialisation over the outputs, as in the official networks.
      conv: parts.conv2d(scope.at('conv'), 2, 1, { kernelSize, useBias: false, kernelInitializer: parts.heNormal(kernelSize * kernelSize) }),
      norm: parts.batchNorm(scope.at('norm'), 1, { momentum: 0.01, gammaInitializer }),
    });
    this.width = branch(weights.at('width'));
    this.height = branch(weights.at('height'));
    // There its gamma starts at zero, and so the gate at 1/2.
    this.spatial = this.options.spatial ? branch(weights.at('spatial'), initializers.zeros()) : null;
  }

  override forward(x: Tensor, training: boolean): Tensor {
    const gates = this.gates(x as Tensor4D, training);
    return scale(x, meanOf(gates)); // [N, H, W, C]
  }

  override maps(x: Tensor): Record<string, Tensor> {
    return { ...this.gates(x as Tensor4D, false) };
  }

  override macs([images, height, width, channels]: readonly number[]): number {
    const { conv } = this.width;
    return images * conv.macs((height + width) * channels + (this.spatial ? height * width : 0));
  }

  private gates(x: Tensor4D, training: boolean): Gates {
    const gate = ({ conv, norm }: Branch, planes: [max: Tensor3D, mean: Tensor3D], turned = false) => {
      const kernel = conv.kernel.read() as Tensor4D;
      const z = convolvePlanes(planes, turned ? transpose(kernel, [1, 0, 2, 3]) : kernel);
      return squeeze<Tensor3D>(sigmoid(norm(expandDims(z, 3), training)), [3]);
    };
    return {
      // The official code has this plane as [C, W], and so are its kernel's axes.
      width: gate(this.width, [stripMaxPool(x, 'height'), stripAvgPool(x, 'height')], true), // [N, W, C]
      height: gate(this.height, [stripMaxPool(x, 'width'), stripAvgPool(x, 'width')]), // [N, H, C]
      ...(this.spatial && { spatial: gate(this.spatial, [channelMaxPool(x) as Tensor3D, channelAvgPool(x) as Tensor3D]) }), // [N, H, W]
    };
  }
}

// The gradient of a broadcast tf.add sums with transposes; pooling does not.
function meanOf({ width, height, spatial }: Gates): Tensor {
  const branches = spatial ? 3 : 2;
  const shares = [width, height, ...(spatial ? [spatial] : [])].map((gate) => mul(gate, 1 / branches));
  return differentiable(
    shares,
    (width, height, spatial?: Tensor) => {
      const sum = add(expandDims(width, 1), expandDims(height, 2)); // [N, H, W, C]
      return spatial ? add(sum, expandDims(spatial, 3)) : sum;
    },
    (dy) => {
      const [, height, width, channels] = dy.shape;
      const sums = [mul(stripAvgPool(dy as Tensor4D, 'height'), height), mul(stripAvgPool(dy as Tensor4D, 'width'), width)];
      return branches === 3 ? [...sums, mul(channelAvgPool(dy), channels)] : sums;
    },
  );
}

/** A {@link TripletAttention} layer. */
export function tripletAttention(options?: BlockArgs<TripletAttentionOptions>): TripletAttention {
  return new TripletAttention(options);
}
