import { type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { ChannelAffinityAttention } from './channel-affinity-attention.js';
import type { PositionAttention } from './position-attention.js';

type Attention = PositionAttention | ChannelAffinityAttention;

/** Channels of a branch, from its input to its logits. */
interface Widths {
  readonly channels: number;
  readonly width: number;
  readonly classes: number;
}

/** One of the head's branches: an attention between two 3×3 convolutions with batch norm and ReLU, and logits of what they make. */
export class Branch<A extends Attention> {
  /** Of the features, to logits. */
  readonly classify: parts.Dense;
  readonly attention: A;
  readonly #reduce: parts.ConvBatchNorm;
  readonly #refine: parts.ConvBatchNorm;
  readonly #width: number;

  /** Declares the weights of the convolutions, the attention and the logits: `reduce`, `attention`, `refine` and `classify`. */
  constructor(weights: WeightScope, attention: A, { channels, width, classes }: Widths) {
    this.#reduce = parts.convBatchNorm(weights.at('reduce'), channels, width, { kernelSize: 3, activation: 'relu' });
    attention.define(weights.at('attention'), [null, null, null, width]);
    this.#refine = parts.convBatchNorm(weights.at('refine'), width, width, { kernelSize: 3, activation: 'relu' });
    this.classify = parts.dense(weights.at('classify'), width, classes);
    this.attention = attention;
    this.#width = width;
  }

  /** What the attention sees: `[N, H, W, C]` to `[N, H, W, width]`. */
  reduce(x: Tensor4D, training: boolean): Tensor4D {
    return this.#reduce(x, training);
  }

  /** `[N, H, W, C]` to `[N, H, W, width]` */
  features(x: Tensor4D, training: boolean): Tensor4D {
    return this.#refine(this.attention.forward(this.reduce(x, training)), training);
  }

  macs([batch, height, width]: readonly number[]): number {
    const positions = batch * height * width;
    const convolutions = this.#reduce.macs(positions) + this.#refine.macs(positions);
    return convolutions + this.attention.macs([batch, height, width, this.#width]) + this.classify.macs(positions);
  }
}
