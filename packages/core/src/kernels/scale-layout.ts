import { sizeOf } from '../shapes.js';

/** A feature map `[N, …positions, C]` as rows of positions: of rank 4 as it is, another as one row. */
export interface Grid {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** How a gate lies on the grid: of the position (i, j), it is at (⌊i·rows / height⌋, ⌊j·columns / width⌋). */
export interface GateLayout {
  readonly rows: number;
  readonly columns: number;
  /** Whether it has one value a position, in place of a vector of channels. */
  readonly scalar: boolean;
  /** Whether all images have the same. */
  readonly shared: boolean;
}

export function gridOf(map: readonly number[]): Grid {
  const [images, channels] = [map[0], map.at(-1)!];
  if (map.length === 4) return { images, height: map[1], width: map[2], channels };
  return { images, height: 1, width: sizeOf(map.slice(1, -1)), channels };
}

/** The shape of a gate with an axis for each of the map's: `[N, C]` is a value a channel, one axis less than the map's a value a position. */
export function alignedShape(map: readonly number[], gate: readonly number[]): readonly number[] {
  if (gate.length === 2 && map.length > 2) return [gate[0], ...map.slice(1, -1).map(() => 1), gate[1]];
  return gate.length === map.length - 1 ? [...gate, 1] : gate;
}

/** How a gate that fits the map lies on its grid, or undefined where it does so in another way. */
export function layoutOf(map: readonly number[], gate: readonly number[]): GateLayout | undefined {
  const { images, height, width, channels } = gridOf(map);
  const aligned = alignedShape(map, gate);
  const { height: rows, width: columns } = gridOf(aligned);
  const scalar = aligned.at(-1) !== channels;
  const whole = rows === height && columns === width;
  if (!whole && (scalar || (map.length !== 4 && columns !== 1))) return undefined;
  return { rows, columns, scalar, shared: images > 1 && aligned[0] === 1 };
}

/** The gates that there are, in their order. */
export function gatesOf<T>({ first, second, third }: { readonly first: T; readonly second: T | undefined; readonly third: T | undefined }): T[] {
  return [first, second, third].filter((gate) => gate !== undefined);
}
