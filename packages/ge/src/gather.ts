import { globalAvgPool, localAvgPool, positionWeightedPool, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { relu, reshape, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';

/** How far around it a position gathers: a power of 2, or the whole map. */
export type Extent = number | 'global';

/** The gather operator of the paper's equation 1: the context of each e×e pixels of a map. */
export interface Gather {
  /** `[N, H, W, C]` to `[N, ⌈H/e⌉, ⌈W/e⌉, C]`, which for the whole map is `[N, 1, 1, C]` */
  (x: Tensor4D, training: boolean): Tensor4D;
  macs(inputShape: readonly number[]): number;
}

/** θ⁻: the mean of a window of 2e − 1 pixels, of those that lie on the map, or of the whole map. */
export function averages(extent: Extent): Gather {
  const window = (extent: number) => ({ window: 2 * extent - 1, stride: extent, padding: extent - 1 });
  const apply = (x: Tensor4D) => (extent === 'global' ? perImage(globalAvgPool(x)) : localAvgPool(x, window(extent)));
  return Object.assign(apply, { macs: () => 0 });
}

/** θ of extent e: log₂ e depthwise convolutions, each halving the map. */
export function halvings(weights: WeightScope, channels: number, extent: number): Gather {
  const steps = Array.from({ length: Math.log2(extent) }, (_, i) => ({
    conv: parts.depthwiseConv2d(weights.at(`conv${i + 1}`), channels, {
      kernelSize: 3,
      stride: 2,
      useBias: false,
      kernelInitializer: parts.heNormal(9),
    }),
    norm: parts.batchNorm(weights.at(`norm${i + 1}`), channels),
  }));
  const apply = (x: Tensor4D, training: boolean) => steps.reduce((y, { conv, norm }, i) => norm(conv(i === 0 ? y : relu(y)), training), x);
  const macs = ([images, ...size]: readonly number[]) =>
    steps.reduce((sum, { conv }, i) => {
      const [height, width] = size.map((length) => Math.ceil(length / 2 ** (i + 1)));
      return sum + conv.macs(images * height * width);
    }, 0);
  return Object.assign(apply, { macs });
}

/** θ of the whole map: one depthwise convolution with a kernel as large as the map. */
export function wholeMap(weights: WeightScope, [height, width, channels]: readonly number[]): Gather {
  const kernel = weights.at('conv1').add('kernel', [height, width, channels, 1], parts.heNormal(height * width), { layout: 'depthwise' });
  const norm = parts.batchNorm(weights.at('norm1'), channels);
  const apply = (x: Tensor4D, training: boolean) =>
    perImage(norm(positionWeightedPool(x, reshape(kernel.read(), [height, width, channels])), training));
  return Object.assign(apply, { macs: ([images]: readonly number[]) => images * height * width * channels });
}

// [N, C] → [N, 1, 1, C]
function perImage(context: Tensor2D): Tensor4D {
  const [images, channels] = context.shape;
  return reshape(context, [images, 1, 1, channels]);
}
