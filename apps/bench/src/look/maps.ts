/** What a block attends to in an image: its maps as one draws them, over the plane of its input where they have one. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { BenchError } from '../errors.ts';

type Layer = LayersModel['layers'][number];

/** A layer that tells its attention maps: any Saccade block. */
export type AttentionLayer = Layer & {
  attentionMaps(x: Tensor, options?: { readonly queries?: readonly number[] }): Record<string, Tensor>;
};

/** Rows and columns of a map. */
export interface Grid {
  readonly height: number;
  readonly width: number;
}

/** A block in a network, and the map that it takes there. */
export interface Place extends Grid {
  readonly layer: AttentionLayer;
  readonly channels: number;
}

/** A weight for each channel. */
export interface ChannelMap {
  readonly kind: 'channel';
  readonly name: string;
  /** Several where the block weighs several branches. */
  readonly rows: readonly Float32Array[];
}

/** How much each channel takes of each other one: `[channels, channels]`. */
export interface AffinityMap {
  readonly kind: 'affinity';
  readonly name: string;
  readonly channels: number;
  readonly values: Float32Array;
}

/** A weight for each position. */
export interface PlaneMap extends Grid {
  readonly kind: 'plane';
  readonly name: string;
  /** Each `[height, width]`. */
  readonly planes: readonly Float32Array[];
  /** What there is a plane for. */
  readonly each: 'head' | 'channel' | 'descriptor';
  /** Whether it is that of the query alone. */
  readonly ofQuery: boolean;
}

export type AttentionMap = ChannelMap | AffinityMap | PlaneMap;

/** How the class names begin of what the benchmark's networks are made of beside blocks. */
const HOST = 'SaccadeBench';

/** Where blocks stand in a network, from its input to its output. */
export function placesOf(network: LayersModel): Place[] {
  return network.layers
    .filter((layer): layer is AttentionLayer => 'attentionMaps' in layer && !layer.getClassName().startsWith(HOST))
    .map((layer) => {
      const [, height, width, channels] = (layer.input as SymbolicTensor).shape as number[];
      return { layer, height, width, channels };
    });
}

/** The part of a network that computes a block's input. */
export function networkBefore(network: LayersModel, { layer }: Place): LayersModel {
  return model({ inputs: network.inputs, outputs: layer.input });
}

/**
 * A block's maps for one image.
 *
 * @param x the block's input, `[1, H, W, C]`
 * @param query a position of it, as a row-major index: that attention among positions is shown of
 */
export async function mapsOf(layer: AttentionLayer, x: Tensor, query: number): Promise<AttentionMap[]> {
  const [, height, width] = x.shape;
  const maps = Object.entries(layer.attentionMaps(x, { queries: [query] }));
  return Promise.all(
    maps.map(async ([name, map]) => {
      const values = (await map.data()) as Float32Array;
      map.dispose();
      return drawable(name, values, map.shape, { height, width }, query);
    }),
  );
}

/**
 * What attention that is repeated gathers at each position, all its loops together: the product of their maps. Criss-cross attention reaches
 * a query's column and row in one loop, and every position in two. The residual connection, by which a position keeps what it has, is left out.
 *
 * @param x the block's input, `[1, H, W, C]`
 * @returns for a position of it, the weights of all positions, `[H, W]`; null for a block that repeats nothing
 */
export async function reachOf(layer: AttentionLayer, x: Tensor): Promise<((query: number) => PlaneMap) | null> {
  const loops = recurrenceOf(layer);
  if (loops === null) return null;
  const [, height, width] = x.shape;
  const queries = Array.from({ length: height * width }, (_, position) => position);
  const maps = layer.attentionMaps(x, { queries });
  const read = async (loop: number) => {
    const map = maps[loop === 0 ? 'query' : `query${loop}`];
    const values = (await map.data()) as Float32Array;
    return queries.map(
      (query) => onPlane(values.subarray(query * (height + width), (query + 1) * (height + width)), { height, width }, query).values,
    );
  };
  const crosses = await Promise.all(Array.from({ length: loops }, (_, loop) => read(loop)));
  for (const map of Object.values(maps)) map.dispose();
  return (query) => {
    let reach = new Float32Array(height * width);
    reach[query] = 1;
    // The last loop's weights are of what the loop before it has gathered.
    for (const cross of crosses.toReversed()) {
      const before = reach;
      reach = new Float32Array(height * width);
      before.forEach((weight, position) => {
        if (weight !== 0) cross[position].forEach((value, i) => (reach[i] += weight * value));
      });
    }
    return { kind: 'plane', name: 'reach', height, width, planes: [reach], each: 'head', ofQuery: true };
  };
}

/** How often a layer repeats its attention; null where that is no option of it. */
export function recurrenceOf(layer: Layer): number | null {
  const { recurrence } = layer.getConfig();
  return typeof recurrence === 'number' ? recurrence : null;
}

/**
 * How much maps differ: the mean over all pairs of the cosine distance (1 − cos) / 2, 0 for maps that are the same but for a factor, 0.5 for
 * maps without a common position. By it Cao et al. (GCNet, ICCV Workshops 2019, section 3.2) found that what non-local blocks attend to hardly
 * depends on the query.
 */
export function meanDistance(maps: readonly Float32Array[]): number {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const norms = maps.map((map) => Math.sqrt(dot(map, map)));
  let total = 0;
  let pairs = 0;
  for (let i = 0; i < maps.length; i++) {
    for (let j = 0; j < i; j++) {
      const cosine = dot(maps[i], maps[j]) / (norms[i] * norms[j] || 1);
      total += Math.max(0, 1 - cosine) / 2;
      pairs++;
    }
  }
  return total / Math.max(pairs, 1);
}

/** Positions spread evenly over a map, as row-major indices. */
export function spreadOver({ height, width }: Grid, perAxis: number): number[] {
  const places = (size: number) => {
    const count = Math.min(size, perAxis);
    return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * size) / count));
  };
  return places(height).flatMap((row) => places(width).map((column) => row * width + column));
}

/** The mean of planes. */
export function meanPlane(planes: readonly Float32Array[]): Float32Array {
  return planes[0].map((_, position) => planes.reduce((sum, plane) => sum + plane[position], 0) / planes.length);
}

/** Stacks of planes, `[N, maps, H, W]`: on square maps their shape can be that of a gate, `[N, H, W, C]`. */
const STACKS = new Set(['gather', 'distribute']);
/** Which axis the maps of an axis have weights along. */
const AXES: Readonly<Record<string, 'height' | 'width'>> = { height: 'height', width: 'width', row: 'height', column: 'width' };

/** A map by its name and shape, as every block's README has them. */
function drawable(name: string, values: Float32Array, shape: readonly number[], grid: Grid, query: number): AttentionMap {
  const sizes = shape.slice(1);
  const rows = () => rowsOf(values, sizes.at(-1)!);
  if (name === 'channel') {
    const channels = sizes.at(-1)!;
    const isAffinity = sizes.length === 2 && sizes[0] === channels;
    return isAffinity ? { kind: 'affinity', name, channels, values } : { kind: 'channel', name, rows: rows() };
  }
  if (/^query\d*$/.test(name)) {
    const planes = rows().map((keys) => onPlane(keys, grid, query));
    return plane(name, planes[0], 'head', true, planes);
  }
  const axis = AXES[name];
  if (axis && sizes.length > 2) {
    const length = sizes.at(-1)!;
    const own = Math.floor(((axis === 'height' ? Math.floor(query / grid.width) : query % grid.width) * length) / grid[axis]);
    // Of whole lines `[lines, heads, L, L]`, or of squeezed ones `[heads, L, L]`, which have a weight for all positions of a line.
    const weights = rowsOf(values, length).filter((_, row) => row % length === own);
    const planes = weights.map((line) => (sizes.length === 4 ? onLine(line, axis, grid, query) : acrossLines(line, axis, grid)));
    return plane(name, planes[0], 'head', true, planes);
  }
  if (axis && sizes.length === 2) {
    const planes = columnsOf(values, sizes[1]).map((strip) => acrossLines(strip, axis, grid));
    return plane(name, planes[0], 'channel', false, planes);
  }
  if (sizes.length === 2) return plane(name, { height: sizes[0], width: sizes[1] }, 'channel', false, [{ values }]);
  if (sizes.length === 3 && STACKS.has(name)) {
    const planes = rowsOf(values, sizes[1] * sizes[2]).map((map) => ({ values: map }));
    return plane(name, { height: sizes[1], width: sizes[2] }, 'descriptor', false, planes);
  }
  if (sizes.length === 3) {
    const planes = columnsOf(values, sizes[2]).map((channel) => ({ values: channel }));
    return plane(name, { height: sizes[0], width: sizes[1] }, 'channel', false, planes);
  }
  throw new BenchError(
    `The attention map "${name}" has shape [${shape.join(', ')}], which the viewer cannot draw. Tell it how, in src/look/maps.ts.`,
  );
}

function plane(
  name: string,
  { height, width }: Grid,
  each: PlaneMap['each'],
  ofQuery: boolean,
  planes: readonly { readonly values: Float32Array }[],
): PlaneMap {
  return { kind: 'plane', name, height, width, planes: planes.map(({ values }) => values), each, ofQuery };
}

interface Plane extends Grid {
  readonly values: Float32Array;
}

/** A query's weights of keys, which are all positions, those of its column and then of its row, or those of a map that was made smaller. */
function onPlane(keys: Float32Array, grid: Grid, query: number): Plane {
  const { height, width } = grid;
  if (keys.length === height * width) return { ...grid, values: keys };
  if (keys.length === height + width) {
    const values = onLine(keys.subarray(0, height), 'height', grid, query).values;
    const row = onLine(keys.subarray(height), 'width', grid, query).values;
    return { ...grid, values: values.map((value, position) => value + row[position]) };
  }
  for (let stride = 2; stride <= Math.max(height, width); stride++) {
    const smaller = { height: Math.ceil(height / stride), width: Math.ceil(width / stride) };
    if (smaller.height * smaller.width === keys.length) return { ...smaller, values: keys };
  }
  throw new BenchError(
    `A query attends to ${keys.length} keys, which are neither the positions of its ${height}×${width} map, nor a cross or a smaller map. Tell the viewer what they are, in src/look/maps.ts.`,
  );
}

/** The weights of positions along an axis, on the line through the query. */
function onLine(line: Float32Array, axis: 'height' | 'width', grid: Grid, query: number): Plane {
  const size = sizedAs(line.length, axis, grid);
  const row = Math.floor((Math.floor(query / grid.width) * size.height) / grid.height);
  const column = Math.floor(((query % grid.width) * size.width) / grid.width);
  const values = new Float32Array(size.height * size.width);
  line.forEach((weight, i) => (values[axis === 'height' ? i * size.width + column : row * size.width + i] = weight));
  return { ...size, values };
}

/** The weights of lines, at all their positions. */
function acrossLines(lines: Float32Array, axis: 'height' | 'width', grid: Grid): Plane {
  const size = sizedAs(lines.length, axis, grid);
  const values = Float32Array.from(
    { length: size.height * size.width },
    (_, p) => lines[axis === 'height' ? Math.floor(p / size.width) : p % size.width],
  );
  return { ...size, values };
}

/** A grid of so many positions along an axis, in the proportions of another. */
function sizedAs(length: number, axis: 'height' | 'width', grid: Grid): Grid {
  const scaled = (size: number) => Math.max(1, Math.round((size * length) / grid[axis]));
  return { height: scaled(grid.height), width: scaled(grid.width) };
}

function rowsOf(values: Float32Array, length: number): Float32Array[] {
  return Array.from({ length: values.length / length }, (_, row) => values.subarray(row * length, (row + 1) * length));
}

function columnsOf(values: Float32Array, columns: number): Float32Array[] {
  return Array.from({ length: columns }, (_, column) =>
    Float32Array.from({ length: values.length / columns }, (_, row) => values[row * columns + column]),
  );
}
