import { avgPool, mul, reshape, tidy, tile, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import { gateOf, logitsGradient, type Gate } from './activations.js';
import { scale } from './gating.js';
import { differentiable } from './gradient.js';
import { fusedGateGradient, fusedScale } from './kernels/scale.js';
import { resizeNearest } from './resize.js';
import { onGpu } from './shapes.js';

/**
 * Scales a map by a gate of a lower resolution, each pixel by the gate's nearest: x · resizeNearest(gate).
 *
 * @param x `[N, H, W, C]`
 * @param gate `[N, h, w, C]`
 * @param activation what makes the gate of its logits. Default: none, it is the gate.
 * @returns a map of x's shape
 */
export function scaleNearest(x: Tensor4D, gate: Tensor4D, activation?: Gate): Tensor4D {
  const [down, across] = [x.shape[1] / gate.shape[1], x.shape[2] / gate.shape[2]];
  if ((down === 1 || gate.shape[1] === 1) && (across === 1 || gate.shape[2] === 1)) return scale(x, gate, { activation });
  const isWhole = Number.isInteger(down) && Number.isInteger(across);
  // What is composed below needs regions of one size, the kernels only that there are fewer than pixels.
  if (!isWhole && !(fusedGateGradient.isAvailable() && gate.size < x.size)) {
    return tidy(() => scale(x, resizeNearest(gateOf(gate, activation), [x.shape[1], x.shape[2]])));
  }
  const scaled = (x: Tensor, gate: Tensor): Tensor => fusedScale({ x, ...alone(gate) }, { activation }) ?? byRegions(x, gateOf(gate, activation));
  return differentiable([x, gate], scaled, (dy, [x, gate]) => [
    scaled(dy, gate),
    fusedGateGradient({ dy, x, ...alone(gate) }, { activation, of: 0 }) ??
      logitsGradient(mul(avgPool(mul<Tensor4D>(x, dy), [down, across], [down, across], 'valid'), down * across), gate, activation),
  ]) as Tensor4D;
}

function alone(gate: Tensor): { first: Tensor; second: undefined; third: undefined } {
  return { first: gate, second: undefined, third: undefined };
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
