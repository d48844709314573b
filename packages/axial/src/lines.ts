import { sizeOf } from '@saccade/core';
import { gather, reshape, transpose, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';

/** The names of a map's position axes, by its rank. */
const AXES: Readonly<Record<number, readonly string[]>> = { 3: ['length'], 4: ['height', 'width'], 5: ['time', 'height', 'width'] };

export function axesOf(rank: number): readonly string[] {
  return AXES[rank];
}

/**
 * The lines of a map along one axis, as a batch in which each head has its own. The columns of rows of channels, of which a head's are one
 * part, are moved in one transposition with the heads; the last axis of a map with one head needs none.
 *
 * @param x `[N, …positions, heads·D]`
 * @param axis of x
 * @returns `[lines·heads, L, D]`, the lines row by row of all other positions
 */
export function toLines(x: Tensor, axis: number, heads: number): Tensor3D {
  const [outer, length, inner, depth] = split(x.shape, axis, heads);
  return reshape(transpose(reshape(x, [outer, length, inner, depth]), [0, 2, 1, 3]), [outer * inner, length, depth]);
}

/**
 * Puts lines back into their map: undoes {@link toLines}.
 *
 * @param lines `[lines·heads, L, D]`
 * @param shape `[N, …positions, heads·D]`
 */
export function fromLines(lines: Tensor, shape: readonly number[], axis: number, heads: number): Tensor {
  const [outer, length, inner, depth] = split(shape, axis, heads);
  return reshape(transpose(reshape(lines, [outer, inner, length, depth]), [0, 2, 1, 3]), [...shape]);
}

/**
 * Of a map's lines those that some positions lie in.
 *
 * @param lines `[N·lines·heads, L, D]`, from {@link toLines}
 * @param shape of the map
 * @param positions row-major indices
 * @returns `[N·fewer lines·heads, L, D]`, and how many lines an image then has
 */
export function linesThrough(lines: Tensor3D[], shape: readonly number[], axis: number, positions: readonly number[]) {
  const [images, ...rest] = shape;
  const [length, after] = [shape[axis], sizeOf(rest.slice(axis, -1))];
  const all = sizeOf(rest.slice(0, -1)) / length;
  const lineOf = (position: number) => Math.floor(position / (length * after)) * after + (position % after);
  const wanted = [...new Set(positions.map(lineOf))].toSorted((a, b) => a - b);
  const pick = (x: Tensor3D): Tensor3D => reshape(gather(reshape(x, [images, all, -1]), wanted, 1), [-1, x.shape[1], x.shape[2]]);
  return { lines: lines.map(pick), count: wanted.length };
}

function split(shape: readonly number[], axis: number, heads: number): [outer: number, length: number, inner: number, depth: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1, -1)) * heads, shape.at(-1)! / heads];
}
