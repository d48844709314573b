/**
 * What the block is, in a few words.
 *
 * Authors. Title. Venue and year. https://example.org/paper
 *
 * Equals which official implementation; where paper and code differ, and which option chooses.
 */
import { Block, GATES, globalAvgPool, option, scale, type BlockArgs, type Gate, type Schema, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface TemplateBlockOptions {
  /** Whether the layer has a bias. Default: true. */
  useBias?: boolean;
  /** What makes the gate of the logits. Default: `sigmoid`. */
  gate?: Gate;
}

/**
 * What it does to a feature map, in a sentence.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C]`.
 */
export class TemplateBlock extends Block<TemplateBlockOptions> {
  static override readonly className = 'SaccadeTemplateBlock';
  static override readonly options: Schema<TemplateBlockOptions> = {
    useBias: option.flag(true),
    gate: option.gate('sigmoid'),
  };

  private fc!: parts.Dense;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    this.fc = parts.dense(weights.at('fc'), channels, channels, { useBias: this.options.useBias });
  }

  override forward(x: Tensor): Tensor {
    return scale(x, this.excite(x)); // [N, H, W, C]
  }

  override maps(x: Tensor): { channel: Tensor } {
    return { channel: this.excite(x) };
  }

  override macs([images]: readonly number[]): number {
    return this.fc.macs(images);
  }

  private excite(x: Tensor): Tensor {
    const s = globalAvgPool(x); // [N, C]
    return GATES[this.options.gate](this.fc(s)); // [N, C]
  }
}

/** A {@link TemplateBlock} layer. */
export function templateBlock(options?: BlockArgs<TemplateBlockOptions>): TemplateBlock {
  return new TemplateBlock(options);
}
