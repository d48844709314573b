/**
 * Channel attention by the affinity of channels, DANet's module over channels.
 *
 * Fu, Liu, Tian, Li, Bao, Fang, Lu. Dual Attention Network for Scene Segmentation. CVPR 2019. https://arxiv.org/abs/1809.02983
 *
 * Equals the authors' `CAM_Module`. Paper and code differ: equation 3 is softmax(E) over the products E of channels, the code computes
 * softmax(max(E) − E), which is softmax(−E), so that a channel takes most from those that are least like it. All released networks have the code's
 * form, the default; `affinity: 'direct'` is the paper's.
 */
import { Block, gramMatrix, matMul, option, transposeLast, type BlockArgs, type Schema, type Weight, type WeightScope } from '@saccade/core';
import { add, mul, neg, reshape, softmax, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** What the softmax is taken of: the negated products of channels, as in the authors' code, or the products, as in the paper. */
export type Affinity = 'inverted' | 'direct';

export interface ChannelAffinityAttentionOptions {
  /** Whether a channel takes most from those least like it (`inverted`, the code) or most like it (`direct`, the paper). Default: `inverted`. */
  affinity?: Affinity;
}

/**
 * Adds to each channel a weighted sum of all channels, by a softmax over the products of their maps.
 *
 * Input and output: `[N, H, W, C]`. Attention maps: `channel` `[N, C, C]`, in row i what channel i takes from each.
 */
export class ChannelAffinityAttention extends Block<ChannelAffinityAttentionOptions> {
  static override readonly className = 'SaccadeChannelAffinityAttention';
  static override readonly options: Schema<ChannelAffinityAttentionOptions> = {
    affinity: option.oneOf(['inverted', 'direct'], 'inverted'),
  };

  private gamma!: Weight;

  override define(weights: WeightScope): void {
    // 0, so that the block starts as the identity.
    this.gamma = weights.add('gamma', [1], initializers.zeros());
  }

  override forward(x: Tensor4D): Tensor4D {
    const rows: Tensor3D = reshape(x, [x.shape[0], -1, x.shape[3]]);
    const context = matMul(rows, transposeLast(this.weigh(x))); // [N, H·W, C]
    return add(mul(this.gamma.read(), reshape(context, x.shape)), x); // equation 4
  }

  override maps(x: Tensor4D): { channel: Tensor } {
    return { channel: this.weigh(x) };
  }

  override macs([batch, height, width, channels]: readonly number[]): number {
    return 2 * batch * height * width * channels * channels;
  }

  /** `[N, C, C]`, equation 3. The softmax takes the largest logit away itself, as the code's max(E) is there for. */
  private weigh(x: Tensor4D): Tensor3D {
    const energy = gramMatrix(x);
    return softmax(this.options.affinity === 'direct' ? energy : neg(energy));
  }
}

/** A {@link ChannelAffinityAttention} layer. */
export function channelAffinityAttention(options?: BlockArgs<ChannelAffinityAttentionOptions>): ChannelAffinityAttention {
  return new ChannelAffinityAttention(options);
}
