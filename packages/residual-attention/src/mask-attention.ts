/** What makes the mask of its logits: f1, f2 and f3 in section 3.3 of the paper. */
import { channelAvgPool, channelsOf, channelwise, differentiable, globalAvgPool, globalStdPool, scale } from '@saccade/core';
import { divNoNan, mul, sigmoid, sqrt, square, sub, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';

export const MASK_ATTENTION = {
  /** f1: the sigmoid of each value, equation 4. */
  mixed: (x: Tensor4D): Tensor4D => sigmoid(x),
  /** f2: the channels of each position over their 2-norm, equation 5. */
  channel: unitLength,
  /** f3: the sigmoid of each channel's map, standardised over its positions, equation 6. */
  spatial: (x: Tensor4D): Tensor4D => sigmoid(standardised(x)),
} as const;

/** What a mask holds of: each channel at each position (`mixed`), the channels of a position among each other (`channel`), the positions of a channel (`spatial`). */
export type MaskAttention = keyof typeof MASK_ATTENTION;

// Where all channels are 0, so are result and gradient.
function unitLength(x: Tensor4D): Tensor4D {
  const inverseNorm = (x: Tensor): Tensor => divNoNan(1, sqrt(mul(channelAvgPool(square(x)), channelsOf(x)))); // [N, H, W]
  return differentiable(
    [x],
    (x) => scale(x, inverseNorm(x)),
    (dy, [x], y) => {
      const along = mul(channelAvgPool(mul(dy, y)), channelsOf(y));
      return [scale(sub(dy, scale(y, along)), inverseNorm(x))];
    },
  ) as Tensor4D;
}

// Where all positions are the same, result and gradient are 0.
function standardised(x: Tensor4D): Tensor4D {
  const inverseDeviation = (x: Tensor): Tensor => divNoNan(1, globalStdPool(x)); // [N, C]
  const mean = (x: Tensor): Tensor => channelwise(globalAvgPool(x), x);
  return differentiable(
    [x],
    (x) => scale(sub(x, mean(x)), inverseDeviation(x)),
    (dy, [x], y) => {
      const slope = sub(sub(dy, mean(dy)), mul(y, mean(mul(dy, y))));
      return [scale(slope, inverseDeviation(x))];
    },
  ) as Tensor4D;
}
