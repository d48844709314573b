import { add, getBackend, reshape, tile, zerosLike, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';

/** Sizes of a tensor's axes; null where any size is allowed. */
export type Shape = readonly (number | null)[];

/** The product of sizes: 1 for none. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The number of channels: the size of the last axis. */
export function channelsOf(x: Tensor): number {
  return x.shape[x.rank - 1];
}

/** The number of positions of a feature map `[N, …positions, C]`. */
export function positionsOf(x: Tensor): number {
  return sizeOf(x.shape.slice(1, -1));
}

/** A feature map `[N, …positions, C]` as a row of channels for each of its P positions, `[N, P, C]`. */
export function rowsOf(x: Tensor): Tensor3D {
  return reshape(x, [x.shape[0], positionsOf(x), channelsOf(x)]);
}

/** `values`, of x's rank, repeated along their axes of size 1 to x's shape. */
export function spread(values: Tensor, x: Tensor): Tensor {
  // On wasm tf.tile takes 200 times as long as an addition; on webgpu it reads tensors of rank 5 back to the CPU.
  if (!onGpu() || x.rank > 4) return add(zerosLike(x), values);
  return tile(
    values,
    x.shape.map((size, axis) => (values.shape[axis] === size ? 1 : size)),
  );
}

/** Whether the current backend computes on a GPU: webgpu or webgl. */
export function onGpu(): boolean {
  return getBackend() !== 'wasm' && getBackend() !== 'cpu';
}

/** One value a channel, `[N, C]`, in a shape that broadcasts over the positions of `x`: `[N, 1, …, 1, C]`. */
export function channelwise(values: Tensor, x: Tensor): Tensor {
  return reshape(values, [values.shape[0], ...x.shape.slice(1, -1).map(() => 1), channelsOf(values)]);
}
