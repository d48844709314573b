import { tensor4d, tidy, transpose, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';

/** The values of a map `[N, H, W, C]` in the order of `[N, C, H, W]`. */
export async function channelsFirst(map: Tensor): Promise<Float32Array> {
  const transposed = transpose(map, [0, 3, 1, 2]);
  const values = await transposed.data<'float32'>();
  transposed.dispose();
  return values;
}

/** A map `[N, H, W, C]` of values in the order of `[N, C, H, W]`. */
export function channelsLast(values: Float32Array, shape: readonly number[]): Tensor {
  return tidy(() => transpose(tensor4d(values, shape as Tensor4D['shape']), [0, 2, 3, 1]));
}
