import { add, addN, concat, dispose, engine, grads, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';
import { onGpu } from '../shapes.js';
import { slice } from '../slice.js';

/**
 * The work of a tile in two steps: what can be made once of all that some images share, then, from some of their rows, these rows'
 * results `[b, n, …]`.
 */
export type TileFunction = (shared: Tensor[]) => (rows: Tensor[]) => Tensor;

/** The gradient of a {@link TileFunction}: from that of a tile's results, its rows and its results to those of the rows, then of all that is shared. */
export type TileGradient = (shared: Tensor[]) => (dy: Tensor, rows: Tensor[], y: Tensor) => Tensor[];

/** How many images, and how many rows of each, a tile takes. */
interface Tiling {
  readonly images: number;
  readonly rows: number;
}

// A tile is sized in bytes of what is built for it: on a CPU it should stay in the cache, on a GPU it should keep the device busy.
const TILE_BYTES = { cpu: 2 ** 20, gpu: 2 ** 26 };
const LEAST_ROWS = 32;

/** What is known of a work beyond how to do it a tile at a time. */
export interface KnownWork {
  /** Its gradient, where a better one is known than TensorFlow.js derives. */
  readonly gradient?: TileGradient;
  /** All of it at once, where a kernel does that in bounded memory; undefined where none does. It may `keep` a tensor for the gradient. */
  readonly fused?: (shared: Tensor[], rows: Tensor[], keep: (x: Tensor) => void) => Tensor | undefined;
  /** Likewise all of its gradient, given as {@link TileGradient} does. */
  readonly fusedGradient?: (shared: Tensor[], dy: Tensor, rows: Tensor[], y: Tensor, kept: Tensor | undefined) => Tensor[] | undefined;
  /** Whether a tile must have all rows of its images. Default: false. */
  readonly wholeImages?: boolean;
}

/**
 * Computes `f` a tile at a time, so that what `f` builds for all rows at once never exists as a whole: not in the forward and, since the
 * gradient computes each tile again, not in training (Chen et al. 2016, sublinear memory; Dao et al. 2022, FlashAttention).
 *
 * @param rows tensors `[B, N, …]`, of which a tile sees some images and some rows; the first has all images, others may be `[1, N, …]`
 * @param shared tensors `[B, …]`, of which a tile sees its images, or `[1, …]`, which every tile sees whole
 * @param columns how many values `f` builds for one row
 * @param f the work of a tile; it must not capture tensors that a gradient should flow to
 * @returns `[B, N, …]`
 */
export function byTiles(
  rows: Tensor[],
  shared: Tensor[],
  columns: number,
  f: TileFunction,
  { gradient, fused, fusedGradient, wholeImages = false }: KnownWork = {},
): Tensor {
  const [batch, count] = rows[0].shape;
  const tiling = tilingFor(count, columns, wholeImages);
  if (!gradient && tiling.images >= batch && tiling.rows >= count) return f(shared)(rows);
  const partition = (inputs: Tensor[]) => [inputs.slice(0, rows.length), inputs.slice(rows.length)] as const;
  // What the forward leaves here is there for the gradient, as constants are.
  const kept: Tensor[] = [];
  const forward = (rows: Tensor[], shared: Tensor[]) => fused?.(shared, rows, (x) => kept.push(x)) ?? forwardByTiles(rows, shared, tiling, f);
  const backward = (rows: Tensor[], shared: Tensor[], dy: Tensor, y: Tensor, [extra]: Tensor[]) =>
    fusedGradient?.(shared, dy, rows, y, extra) ?? gradientByTiles(rows, shared, dy, y, tiling, gradient ?? derived(f));
  return differentiable(
    [...rows, ...shared],
    (...inputs) => forward(...partition(inputs)),
    (dy, inputs, y, kept) => backward(...partition(inputs), dy, y, kept),
    kept,
  );
}

function tilingFor(count: number, columns: number, wholeImages: boolean): Tiling {
  const least = wholeImages ? count : LEAST_ROWS;
  const rows = Math.max(least, Math.floor((onGpu() ? TILE_BYTES.gpu : TILE_BYTES.cpu) / (4 * columns)));
  return rows >= count ? { images: Math.floor(rows / count), rows: count } : { images: 1, rows };
}

function forwardByTiles(rows: Tensor[], shared: Tensor[], tiling: Tiling, f: TileFunction): Tensor {
  const groups = cuts(rows[0], 0, tiling.images).map((images) =>
    tidy(() => {
      const [own, work] = [rows.map(images), f(shared.map(images))];
      return joined(
        cuts(own[0], 1, tiling.rows).map((tile) => tidy(() => work(own.map(tile)))),
        1,
      );
    }),
  );
  return joined(groups, 0);
}

function gradientByTiles(rows: Tensor[], shared: Tensor[], dy: Tensor, y: Tensor, tiling: Tiling, gradient: TileGradient): Tensor[] {
  const groups = cuts(dy, 0, tiling.images).map((images) =>
    tidy(() => {
      const [own, dyOwn, yOwn, work] = [rows.map(images), images(dy), images(y), gradient(shared.map(images))];
      const dRows: Tensor[][] = [];
      let dShared: Tensor[] = [];
      for (const tile of cuts(dyOwn, 1, tiling.rows)) {
        const dxs = tidy(() => work(tile(dyOwn), own.map(tile), tile(yOwn)));
        dRows.push(dxs.slice(0, rows.length));
        const parts = dxs.slice(rows.length);
        if (dRows.length === 1) dShared = parts;
        else {
          const sums = parts.map((part, i) => add(part, dShared[i]));
          dispose([dShared, parts]);
          dShared = sums;
        }
      }
      return [
        ...rows.map((_, i) =>
          joined(
            dRows.map((dxs) => dxs[i]),
            1,
          ),
        ),
        ...dShared,
      ];
    }),
  );
  return [...rows, ...shared].map((x, i) => {
    const parts = groups.map((group) => group[i]);
    return x.shape[0] === dy.shape[0] ? joined(parts, 0) : addN(parts);
  });
}

/** The gradient that TensorFlow.js derives, of the tile computed again. */
function derived(f: TileFunction): TileGradient {
  return (shared) => (dy, rows) => {
    const ofAll = (...xs: Tensor[]) => f(xs.slice(rows.length))(xs.slice(0, rows.length));
    // tf.grads clears the engine's tape when it is done. Inside a gradient that tape is still in use.
    const { state } = engine();
    const tape = state.activeTape;
    try {
      return grads(ofAll)([...rows, ...shared], dy);
    } finally {
      state.activeTape = tape;
    }
  };
}

/** Cutters for `axis`, `size` at a time; one that finds the axis whole, or shared, leaves the tensor as it is. */
function cuts(x: Tensor, axis: number, size: number): ((x: Tensor) => Tensor)[] {
  const whole = x.shape[axis];
  return Array.from({ length: Math.ceil(whole / size) }, (_, i) => {
    const from = i * size;
    const length = Math.min(size, whole - from);
    return (x: Tensor) => {
      if (x.shape[axis] !== whole || length === whole) return x;
      return slice(
        x,
        x.shape.map((_, a) => (a === axis ? from : 0)),
        x.shape.map((all, a) => (a === axis ? length : all)),
      );
    };
  });
}

function joined(parts: Tensor[], axis: number): Tensor {
  return parts.length === 1 ? parts[0] : concat(parts, axis);
}
