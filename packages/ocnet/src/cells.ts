import { reshape, slice, transpose, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';

/** Cells of one size that follow each other along an axis. */
export interface Band {
  readonly start: number;
  readonly cells: number;
  /** Of each cell. */
  readonly size: number;
}

/** The cells that `count` parts of an axis are: of ⌊length / count⌋ positions each, the last with the remainder. */
export function bandsOf(length: number, count: number): Band[] {
  const size = Math.floor(length / count);
  const start = (count - 1) * size;
  if (length === count * size) return [{ start: 0, cells: count, size }];
  return [
    { start: 0, cells: count - 1, size },
    { start, cells: 1, size: length - start },
  ];
}

/** The cell, of `count` along an axis, that a position lies in. */
export function cellAt(position: number, length: number, count: number): Band {
  const size = Math.floor(length / count);
  const cell = Math.min(Math.floor(position / size), count - 1);
  const start = cell * size;
  return { start, cells: 1, size: cell === count - 1 ? length - start : size };
}

/** The cells of a band of rows and a band of columns, as a batch: `[N, H, W, C]` to `[N·cells, positions, C]`. */
export function toCells(x: Tensor4D, rows: Band, columns: Band): Tensor3D {
  const [batch, height, width, channels] = x.shape;
  const [down, across] = [rows.cells * rows.size, columns.cells * columns.size];
  const isWhole = down === height && across === width;
  const region = isWhole ? x : slice(x, [0, rows.start, columns.start, 0], [batch, down, across, channels]);
  const cells = swapped(region, [batch * rows.cells, rows.size, columns.cells, columns.size * channels]);
  return reshape(cells, [batch * rows.cells * columns.cells, rows.size * columns.size, channels]);
}

/** Undoes {@link toCells}, for the region of these cells alone. */
export function fromCells(x: Tensor3D, rows: Band, columns: Band): Tensor4D {
  const channels = x.shape[2];
  const region = swapped(x, [-1, columns.cells, rows.size, columns.size * channels]);
  return reshape(region, [-1, rows.cells * rows.size, columns.cells * columns.size, channels]);
}

/** x in a shape whose two middle axes then swap. */
function swapped(x: Tensor, shape: [number, number, number, number]): Tensor4D {
  const apart: Tensor4D = reshape(x, shape);
  return shape[1] === 1 || shape[2] === 1 ? apart : transpose(apart, [0, 2, 1, 3]);
}
