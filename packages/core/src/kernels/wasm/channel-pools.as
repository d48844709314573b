// Pooling of the channels at each position. AssemblyScript; `npm run build:kernels` makes channel-pools-binary.ts of it. All pointers are in bytes,
// all matrices row-major and contiguous. Nothing here is bound by arithmetic, so there is none of relaxed SIMD, and no form for one result alone.

import { reduceRows } from './common/channels';

/**
 * The means and the maxima over the channels of each image of x `[images, positions, channels]`, each `[images, positions]`, or 0 where it is not
 * asked for. Before, where there is a gate (else 0), `[images, channels]`, x is multiplied by it.
 */
export function poolChannels(x: usize, images: usize, positions: usize, channels: usize, gate: usize, means: usize, maxima: usize): void {
  for (; images > 0; images--, x += (positions * channels) << 2) {
    reduceRows(x, positions, channels, gate != 0, gate, 1 / f32(channels), means, true, maxima);
    if (gate) gate += channels << 2;
    if (means) means += positions << 2;
    if (maxima) maxima += positions << 2;
  }
}
