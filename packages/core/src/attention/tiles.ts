import { add, addN, concat, dispose, engine, getBackend, grads, slice, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { differentiable } from '../gradient.js';

/** The work of one tile: from some images' rows, and all else there is of these images, to their results `[b, n, …]`. */
export type TileFunction = (rows: Tensor[], shared: Tensor[]) => Tensor;

/** How many images, and how many rows of each, a tile takes. */
interface Tiling {
  readonly images: number;
  readonly rows: number;
}

// A tile is sized in bytes of what is built for it: on a CPU it should stay in the cache, on a GPU it should keep the device busy.
const TILE_BYTES = { cpu: 2 ** 20, gpu: 2 ** 26 };
const LEAST_ROWS = 32;

/**
 * Computes `f` a tile at a time, so that what `f` builds for all rows at once never exists as a whole: not in the forward and, since the
 * gradient computes each tile again, not in training (Chen et al. 2016, sublinear memory; Dao et al. 2022, FlashAttention).
 *
 * @param rows tensors `[B, N, …]`, of which a tile sees some images and some rows
 * @param shared tensors `[B, …]`, of which a tile sees its images, or `[1, …]`, which every tile sees whole
 * @param columns how many values `f` builds for one row
 * @param f the work of a tile; it must not capture tensors that a gradient should flow to
 * @returns `[B, N, …]`
 */
export function byTiles(rows: Tensor[], shared: Tensor[], columns: number, f: TileFunction): Tensor {
  const [batch, count] = rows[0]!.shape as [number, number];
  const tiling = tilingFor(count, columns);
  if (tiling.images >= batch && tiling.rows >= count) return f(rows, shared);
  const partition = (inputs: Tensor[]) => [inputs.slice(0, rows.length), inputs.slice(rows.length)] as const;
  return differentiable(
    [...rows, ...shared],
    (...inputs) => forwardByTiles(...partition(inputs), tiling, f),
    (dy, inputs) => gradientByTiles(...partition(inputs), dy, tiling, f),
  );
}

function tilingFor(count: number, columns: number): Tiling {
  const onCpu = getBackend() === 'cpu' || getBackend() === 'wasm';
  const rows = Math.max(LEAST_ROWS, Math.floor((onCpu ? TILE_BYTES.cpu : TILE_BYTES.gpu) / (4 * columns)));
  return rows >= count ? { images: Math.floor(rows / count), rows: count } : { images: 1, rows };
}

function forwardByTiles(rows: Tensor[], shared: Tensor[], tiling: Tiling, f: TileFunction): Tensor {
  const groups = steps(rows[0]!, 0, tiling.images).map((images) =>
    tidy(() => {
      const [own, all] = [rows.map(images), shared.map(images)];
      return joined(steps(own[0]!, 1, tiling.rows).map((tile) => tidy(() => f(own.map(tile), all))), 1);
    }),
  );
  return joined(groups, 0);
}

function gradientByTiles(rows: Tensor[], shared: Tensor[], dy: Tensor, tiling: Tiling, f: TileFunction): Tensor[] {
  const fOfAll = (...xs: Tensor[]) => f(xs.slice(0, rows.length), xs.slice(rows.length));
  const groups = steps(dy, 0, tiling.images).map((images) =>
    tidy(() => {
      const [own, all, dyOwn] = [rows.map(images), shared.map(images), images(dy)];
      const dRows: Tensor[][] = [];
      let dShared: Tensor[] = [];
      for (const tile of steps(dyOwn, 1, tiling.rows)) {
        const dxs = tidy(() => nestedGradients(fOfAll, [...own.map(tile), ...all], tile(dyOwn)));
        dRows.push(dxs.slice(0, rows.length));
        const sums = dxs.slice(rows.length).map((dx, i) => (dShared[i] ? add(dx, dShared[i]) : dx));
        if (dShared.length > 0) dispose([dShared, dxs.slice(rows.length)]);
        dShared = sums;
      }
      return [...rows.map((_, i) => joined(dRows.map((dxs) => dxs[i]!), 1)), ...dShared];
    }),
  );
  return [...rows, ...shared].map((x, i) => {
    const parts = groups.map((group) => group[i]!);
    return x.shape[0] === dy.shape[0] ? joined(parts, 0) : addN(parts);
  });
}

// tf.grads clears the engine's tape when it is done. Inside a gradient that tape is still in use.
function nestedGradients(f: (...xs: Tensor[]) => Tensor, xs: Tensor[], dy: Tensor): Tensor[] {
  const { state } = engine();
  const tape = state.activeTape;
  try {
    return grads(f)(xs, dy);
  } finally {
    state.activeTape = tape;
  }
}

/** Cutters for `axis`, `size` at a time; one that finds the axis whole, or shared, leaves the tensor as it is. */
function steps(x: Tensor, axis: number, size: number): ((x: Tensor) => Tensor)[] {
  const whole = x.shape[axis]!;
  return Array.from({ length: Math.ceil(whole / size) }, (_, i) => {
    const from = i * size;
    const length = Math.min(size, whole - from);
    return (x: Tensor) => {
      if (x.shape[axis] !== whole || length === whole) return x;
      return slice(x, x.shape.map((_, a) => (a === axis ? from : 0)), x.shape.map((all, a) => (a === axis ? length : all)));
    };
  });
}

function joined(parts: Tensor[], axis: number): Tensor {
  return parts.length === 1 ? parts[0]! : concat(parts, axis);
}
