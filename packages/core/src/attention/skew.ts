import { pad, reshape, tidy, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { slice } from '../slice.js';

/**
 * From values at distances to values at positions, by the skewing trick of Huang et al. 2018 (Music Transformer, section 3.4.1): the row of
 * position i starts at its distance −i, which is at L − 1 − i. The adjoint of {@link unskew}.
 *
 * @param x `[lines, L, 2·L − 1]`: for each of L positions its values at the distances −(L − 1) to L − 1
 * @returns `[lines, L, L]`: for each position its values at the positions 0 to L − 1
 */
export function skew(x: Tensor3D): Tensor3D {
  return differentiable([x], toPositions, (dy) => [toDistances(dy)]) as Tensor3D;
}

/**
 * From values at positions to values at distances: the adjoint of {@link skew}.
 *
 * @param x `[lines, L, L]`
 * @returns `[lines, L, 2·L − 1]`, 0 at distances that lead out of the line
 */
export function unskew(x: Tensor3D): Tensor3D {
  return differentiable([x], toDistances, (dy) => [toPositions(dy)]) as Tensor3D;
}

// In rows of one value less, each row starts one value earlier. A line of one position has one distance, and no such rows.

function toPositions(x: Tensor): Tensor {
  const [lines, length, distances] = x.shape as [number, number, number];
  const row = Math.max(distances - 1, 1);
  return tidy(() => {
    const flat: Tensor2D = reshape(x, [lines, length * distances]);
    const rows: Tensor3D = reshape(slice(flat, [0, length - 1], [lines, length * row]), [lines, length, row]);
    return slice(rows, [0, 0, 0], [lines, length, length]);
  });
}

function toDistances(x: Tensor): Tensor {
  const [lines, length] = x.shape as [number, number];
  const row = Math.max(2 * length - 2, 1);
  return tidy(() => {
    const none: [number, number] = [0, 0];
    const rows = pad(x, [none, none, [0, row - length]]);
    const flat: Tensor2D = reshape(rows, [lines, length * row]);
    return reshape(pad(flat, [none, [length - 1, Math.min(length - 1, 1)]]), [lines, length, 2 * length - 1]);
  });
}
