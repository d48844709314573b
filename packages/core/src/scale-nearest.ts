import { avgPool, mul, reshape, tidy, tile, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { scale } from './gating.js';
import { differentiable } from './gradient.js';
import { resizeNearest } from './resize.js';
import { onGpu } from './shapes.js';

/**
 * Scales a map by a gate of a lower resolution, each pixel by the gate's nearest: x · resizeNearest(gate).
 *
 * @param x `[N, H, W, C]`
 * @param gate `[N, h, w, C]`
 * @returns a map of x's shape
 */
export function scaleNearest(x: Tensor4D, gate: Tensor4D): Tensor4D {
  const [down, across] = [x.shape[1] / gate.shape[1], x.shape[2] / gate.shape[2]];
  if ((down === 1 || gate.shape[1] === 1) && (across === 1 || gate.shape[2] === 1)) return scale(x, gate);
  if (!Number.isInteger(down) || !Number.isInteger(across)) return tidy(() => scale(x, resizeNearest(gate, [x.shape[1], x.shape[2]])));
  return differentiable([x, gate], byRegions, (dy, [x, gate]) => {
    const share = avgPool(mul<Tensor4D>(x, dy), [down, across], [down, across], 'valid');
    return [byRegions(dy, gate), mul(share, down * across)];
  }) as Tensor4D;
}

// Each value of the gate has a region of its own, of the same size: broadcast over it, the gate is never as large as the map.
function byRegions(x: Tensor, gate: Tensor): Tensor {
  const [batch, height, width, channels] = gate.shape as Tensor4D['shape'];
  const [down, across] = [x.shape[1]! / height, x.shape[2]! / width];
  const scaled = onGpu()
    ? // WebGPU cannot broadcast rank 5.
      mul(
        reshape(x, [batch * height, down, width * across * channels]),
        reshape(tile(reshape(gate, [-1, 1, channels]), [1, across, 1]), [batch * height, 1, width * across * channels]),
      )
    : mul(reshape(x, [batch * height, down, width, across, channels]), reshape(gate, [batch * height, 1, width, 1, channels]));
  return reshape(scaled, x.shape);
}
