import type { TensorInfo } from '@tensorflow/tfjs-core';
import { reader, tileOf, type Layout, type Rows } from './attend-tiles.js';

/** Which lines of a map: each is an attention of its positions among themselves. */
export type Direction = 'columns' | 'rows';

/** The lines of maps, as a shader sees them. */
export interface Lines {
  readonly workgroups: number;
  /** Those that {@link LINES} reads, and that of `positionOf`. */
  readonly integers: Readonly<Record<string, number>>;
}

export function linesOf({ shape: [images, height, width] }: TensorInfo, direction: Direction, layout: Layout): Lines {
  const [n, lines] = direction === 'columns' ? [height, width] : [width, height];
  const { rows, columns } = tileOf(layout);
  const blocks = Math.ceil(n / rows);
  return {
    workgroups: images * lines * blocks * layout.parts,
    integers: {
      n,
      lines,
      step: direction === 'columns' ? width : 1,
      lineStep: direction === 'columns' ? 1 : width,
      area: height * width,
      positions: images * height * width,
      blocks,
      parts: layout.parts,
      tiles: Math.ceil(n / columns),
    },
  };
}

/** WGSL: the function of a line and a place in it, or one behind its end, that gives the position among all of the batch. */
export const POSITION_OF = `
  fn positionOf(line : u32, i : u32) -> u32 {
    let lines = u32(uniforms.lines);
    let first = line / lines * u32(uniforms.area) + line % lines * u32(uniforms.lineStep);
    return first + min(i, u32(uniforms.n) - 1u) * u32(uniforms.step);
  }`;

/** WGSL: what a workgroup does, of the `part` of its sums, of its line, the `image`, and of the line's block of rows. */
export const BLOCK = `
  let part = group % u32(uniforms.parts);
  let image = group / u32(uniforms.parts * uniforms.blocks);
  let firstRow = group / u32(uniforms.parts) % u32(uniforms.blocks) * ROWS;
  let tiles = u32(uniforms.tiles);
  let start = 0u;`;

/** Added to the score of a position with itself in its column, so that it counts once, in its row. */
export function notItself(row: string, column: string): string {
  return `select(0.0, -1e30, ${row} == ${column})`;
}

/** The channels of all positions in a storage buffer, whose size is a uniform. */
export function positionsIn(name: string, size: string, { shape }: TensorInfo): Rows {
  return { name, count: 'positions', size, vectors: shape[shape.length - 1] % 4 === 0 };
}

/** The same, line by line. */
export function inLines(all: Rows): Rows {
  return { ...all, name: `${all.name}OfLine`, count: 'n' };
}

/** WGSL: what reads them. */
export function lineReader(all: Rows): string {
  return `
    ${reader(all)}
    fn ${inLines(all).name}At(line : u32, i : u32, c : u32) -> vec4<f32> {
      return ${all.name}At(0u, positionOf(line, i), c);
    }`;
}
