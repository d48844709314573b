import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CrissCrossInputs } from '../criss-cross.js';
import { reader, tileOf, type Layout, type Rows } from './attend-tiles.js';

/** Which lines of a map: each is an attention of its positions among themselves. Columns come first, rows last. */
export type Direction = 'columns' | 'rows';

/** The lines of maps, as a shader sees them. */
export interface Lines {
  readonly workgroups: number;
  /** What the code below reads, and that of attend-tiles.ts. */
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
      isLast: Number(direction === 'rows'),
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
  return `select(0.0, -1e30, uniforms.isLast == 0 && ${row} == ${column})`;
}

/** Whether all channels are vec4s, as our shaders have them. */
export function inVectors({ q, v }: CrissCrossInputs): boolean {
  return q.shape[3] % 4 === 0 && v.shape[3] % 4 === 0;
}

const channelsOf = (name: string, size: string): Rows => ({ name, count: 'positions', size, vectors: true });

/** The channels of all positions, in storage buffers. */
export const OPERANDS = {
  q: channelsOf('q', 'd'),
  k: channelsOf('k', 'd'),
  v: channelsOf('v', 'e'),
  y: channelsOf('y', 'e'),
  dy: channelsOf('dy', 'e'),
};

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
