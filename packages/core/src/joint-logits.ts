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
  return tidy(() => {
    const rows = reshape(spatial, [spatial.shape[0], sizeOf(spatial.shape.slice(1))]);
    const terms = [factor, offset].filter((term) => term !== undefined);
    const named = (terms: Tensor[]) => namedTerms(terms, factor !== undefined);
    const logits = differentiable(
      [rows, ...terms],
      (spatial, ...terms) => join(spatial, named(terms)),
      (dy, [spatial, ...terms]) => jointGradients(dy, spatial, named(terms)),
    );
    return reshape(logits, [...spatial.shape, channelsOf(terms[0])]);
  });
}

/** Of both terms, those that there are. */
export interface Terms {
  readonly factor?: Tensor | undefined;
  readonly offset?: Tensor | undefined;
}

/** The terms by name, from those that there are in a row. */
export function namedTerms([first, second]: Tensor[], hasFactor: boolean): Record<'factor' | 'offset', Tensor | undefined> {
  return hasFactor ? { factor: first, offset: second } : { factor: undefined, offset: first };
}

/** The logits `[N, P, C]` of values `[N, P]`. */
function join(spatial: Tensor, { factor, offset }: Terms): Tensor {
  const shared = expandDims(spatial, 2); // [N, P, 1]
  const scaled = factor ? mul(shared, expandDims(factor, 1)) : shared;
  return offset ? add(scaled, expandDims(offset, 1)) : scaled;
}

/** The gradients of the values and of the terms that there are, from that of the logits. */
export function jointGradients(dy: Tensor, spatial: Tensor, { factor, offset }: Terms): Tensor[] {
  const dSpatial = mul(channelAvgPool(factor ? mul(dy, expandDims(factor, 1)) : dy), channelsOf(dy));
  const dFactor = factor ? [attentionPool(dy, spatial as Tensor2D)] : [];
  const dOffset = offset ? [mul(globalAvgPool(dy), dy.shape[1]!)] : [];
  return [dSpatial, ...dFactor, ...dOffset];
}
