import { Block, option, resizeBilinear, type Shape } from '@saccade/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';

interface UpsampleOptions {
  height?: number;
  width?: number;
}

/** Resizes a map bilinearly: TensorFlow.js's own layer has no gradient on every backend. */
export class Upsample extends Block<UpsampleOptions> {
  static override readonly className = 'SaccadeBenchUpsample';
  static override readonly options = { height: option.integer(1), width: option.integer(1) };

  override define(): void {}

  override forward(x: Tensor): Tensor {
    return resizeBilinear(x as Tensor4D, [this.options.height, this.options.width]);
  }

  override maps(): Record<string, Tensor> {
    return {};
  }

  override macs(): number {
    return 0;
  }

  protected override outputShapeFor([batch, , , channels]: Shape): Shape {
    return [batch!, this.options.height, this.options.width, channels!];
  }
}
