import { dropout, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Dropout of whole channels, image by image (Tompson et al. 2015; PyTorch's `Dropout2d`), for use in training: what is left is scaled by 1/(1 − rate).
 *
 * @param x `[N, …positions, C]`
 * @param rate the probability that a channel of an image is set to 0, below 1
 */
export function channelDropout<T extends Tensor>(x: T, rate: number): T {
  return dropout(x, rate, [x.shape[0], ...x.shape.slice(1, -1).map(() => 1), x.shape[x.rank - 1]]) as T;
}
