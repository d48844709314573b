import { add, expandDims, mul, reshape, tidy, type Tensor, type Tensor2D } from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { attentionPool } from './pooling/attention.js';
import { channelAvgPool } from './pooling/channel.js';
import { globalAvgPool } from './pooling/global.js';
import { channelsOf, sizeOf } from './shapes.js';

/** What each channel makes of a value that all of them share. */
export type ChannelTerms =
  | { /** `[N, C]` */ readonly factor: Tensor2D; /** `[N, C]`. Default: 0. */ readonly offset?: Tensor2D | undefined }
  | { /** Default: 1. */ readonly factor?: undefined; readonly offset: Tensor2D };

/**
 * Joins an attention over positions and one over channels to logits for every position and channel, factor·spatial + offset.
 *
 * @param spatial `[N, …positions]`
 * @returns `[N, …positions, C]`
 */
export function jointLogits(spatial: Tensor, { factor, offset }: ChannelTerms): Tensor {
  const [scaled, shifted] = [factor !== undefined, offset !== undefined];
  const forward = (spatial: Tensor, ...terms: Tensor[]): Tensor => {
    const [first, second] = terms.map((term) => expandDims(term, 1)); // [N, 1, C]
    const shared = expandDims(spatial, 2); // [N, P, 1]
    if (!scaled) return add(shared, first);
    return shifted ? add(mul(shared, first), second) : mul(shared, first);
  };
  const gradient = (dy: Tensor, [spatial, first]: Tensor[]): Tensor[] => {
    const dSpatial = mul(channelAvgPool(scaled ? mul(dy, expandDims(first, 1)) : dy), channelsOf(dy));
    const dFactor = scaled ? [attentionPool(dy, spatial as Tensor2D)] : [];
    const dOffset = shifted ? [mul(globalAvgPool(dy), dy.shape[1]!)] : [];
    return [dSpatial, ...dFactor, ...dOffset];
  };
  return tidy(() => {
    const rows = reshape(spatial, [spatial.shape[0], sizeOf(spatial.shape.slice(1))]);
    const terms = [factor, offset].filter((term) => term !== undefined);
    return reshape(differentiable([rows, ...terms], forward, gradient), [...spatial.shape, channelsOf(terms[0])]);
  });
}
