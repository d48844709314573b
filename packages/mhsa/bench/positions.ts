import { broadcastTo, concat, cos, div, mul, pow, range, reshape, sin, stack, type Tensor } from '@tensorflow/tfjs-core';

/** DETR's `PositionEmbeddingSine` with `normalize`, of a map without a mask. */
export function sinePositions([height, width]: [number, number], channels: number): Tensor {
  const frequencies = pow(10_000, div(range(0, channels / 4), channels / 4));
  const encode = (size: number) => {
    const positions = mul(div(range(1, size + 1), size + 1e-6), 2 * Math.PI);
    const angles = div(reshape(positions, [size, 1]), frequencies);
    return reshape(stack([sin(angles), cos(angles)], 2), [size, channels / 2]);
  };
  const plane = (x: Tensor, shape: number[]) => broadcastTo(reshape(x, shape), [height, width, channels / 2]);
  return concat([plane(encode(height), [height, 1, channels / 2]), plane(encode(width), [1, width, channels / 2])], 2);
}
