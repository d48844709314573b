// What the layers keep in their scratch space: constants, a vector, and for each channel a factor and an offset.

import { CONSTANTS, storeConstants } from './activate';

/** A run of so many values is worth its beginning. */
const RUN: usize = 64;

/** Values of so many channels, as often as they fill whole vectors, and enough of them. */
export function period(channels: usize): usize {
  const vectors = channels & 1 ? channels << 2 : channels & 2 ? channels << 1 : channels;
  return vectors == 0 ? 0 : (RUN + vectors - 1) / vectors * vectors;
}

/** Of the scratch space. */
export function scratchBytes(channels: usize): usize {
  return CONSTANTS + 16 + (period(channels) << 3);
}

/** Where the factors of a period of channels are, which their offsets follow. */
export function factorsIn(scratch: usize): usize {
  return scratch + CONSTANTS + 16;
}

/**
 * Writes the constants, and, folded, batch normalisation of values that a bias is added to before: a factor and an offset for each channel.
 *
 * @param gamma may also be a factor by itself. Each of the addresses may be 0, for none; there are a mean and a variance, or neither
 */
export function prepare(gamma: usize, beta: usize, mean: usize, variance: usize, epsilon: f32, bias: usize, channels: usize, scratch: usize): void {
  storeConstants(scratch);
  const factors = factorsIn(scratch);
  const bytes = channels << 2;
  const all = period(channels) << 2;
  for (let at: usize = 0, channel: usize = 0; at < all; at += 4, channel += 4) {
    if (channel == bytes) channel = 0;
    let factor: f32 = gamma ? load<f32>(gamma + channel) : 1;
    if (variance) factor /= sqrt<f32>(load<f32>(variance + channel) + epsilon);
    let offset: f32 = bias ? load<f32>(bias + channel) : 0;
    if (mean) offset -= load<f32>(mean + channel);
    store<f32>(factors + at, factor);
    store<f32>(factors + all + at, offset * factor + (beta ? load<f32>(beta + channel) : 0));
  }
}
