import { Block, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';

/** Batch norm for the host network: TensorFlow.js's own layer takes half of a training step on a CPU. */
export class HostNorm extends Block<object> {
  static override readonly className = 'SaccadeBenchNorm';
  static override readonly options = {};

  private norm!: parts.BatchNorm;

  override define(weights: WeightScope, inputShape: Shape): void {
    this.norm = parts.batchNorm(weights, inputShape.at(-1)!);
  }

  override forward(x: Tensor, training: boolean): Tensor {
    return this.norm(x, training);
  }

  override maps(): Record<string, Tensor> {
    return {};
  }

  override macs(): number {
    return 0;
  }
}
