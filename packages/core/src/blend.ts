import { add, mul, softmax, stack, sub, sum, unstack, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { BlockError, showShape } from './errors.js';
import { gateGradients, scale } from './gating.js';
import { differentiable } from './gradient.js';
import { fusedBlend } from './kernels/blend.js';
import { transposeLast } from './matmul.js';
import { channelsOf } from './shapes.js';

/**
 * The weighted sum of several maps, with a weight for each channel of each: Σ weight · branch. On wasm and webgpu in one pass over all of them.
 *
 * @param branches `[N, …positions, C]` each
 * @param weights `[N, branches, C]`
 * @param activation `softmax` over the branches makes weights of logits. Default: none, they are the weights.
 * @returns a map of a branch's shape
 * @throws {@link BlockError} where the branches' shapes differ, or the weights do not fit
 */
export function blend<T extends Tensor>(branches: readonly T[], weights: Tensor3D, activation?: 'softmax'): T {
  checkFit(branches, weights);
  const weightsOf = (weights: Tensor) => (activation ? transposeLast(softmax(transposeLast(weights))) : weights);
  return differentiable(
    [weights, ...branches],
    (weights, ...branches) => {
      const maps = Object.fromEntries(branches.map((branch, i) => [`branch${i}`, branch]));
      const fused = fusedBlend({ weights, ...maps }, { softmax: activation !== undefined });
      if (fused) return fused;
      const shares = unstack(weightsOf(weights), 1); // [N, C] each
      return branches.map((branch, i) => scale(branch, shares[i])).reduce((a, b) => add(a, b));
    },
    (dy, [weights, ...branches]) => {
      const values = weightsOf(weights);
      const shares = unstack(values, 1);
      const sums = stack(
        branches.map((branch, i) => gateGradients([shares[i]], dy, branch, {})[0]),
        1,
      ); // [N, branches, C]
      const slope = activation ? mul(values, sub(sums, sum(mul(values, sums), 1, true))) : sums;
      return [slope, ...shares.map((share) => scale(dy, share))];
    },
  ) as T;
}

function checkFit(branches: readonly Tensor[], weights: Tensor): void {
  if (branches.length === 0) throw new BlockError('blend: there is no branch. Give one or more.');
  const [map, ...others] = branches.map(({ shape }) => showShape(shape));
  const other = others.find((shape) => shape !== map);
  if (other) throw new BlockError(`blend: a branch of shape ${other} beside one of ${map}. Give branches of one shape.`);
  if (showShape(weights.shape) !== showShape([branches[0].shape[0], branches.length, channelsOf(branches[0])])) {
    throw new BlockError(
      `blend: weights of shape ${showShape(weights.shape)} do not fit ${branches.length} branches of shape ${map}. Give [N, branches, C].`,
    );
  }
}
