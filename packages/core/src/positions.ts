import { add, mul, reshape, sum, tensor2d, tidy, type Tensor, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';
import { stripAvgPool } from './pooling/strip.js';

/** An encoding of the positions of a plane: that of row y, column x is rows[y] + columns[x]. */
export interface Positions {
  /** `[H, C]` */
  readonly rows: Tensor2D;
  /** `[W, C]` */
  readonly columns: Tensor2D;
}

export interface SineOptions {
  /** The base of the frequencies. Default: 10000. */
  readonly temperature?: number;
  /** Whether positions count from 1 / size to 1, times 2π, in place of 1 to size. Default: false. */
  readonly normalise?: boolean;
}

// DETR's, added to the size that positions are divided by.
const EPSILON = 1e-6;

/**
 * Adds an encoding of positions to a map.
 *
 * @param x `[N, H, W, C]`
 */
export function addPositions(x: Tensor4D, { rows, columns }: Positions): Tensor4D {
  const [, height, width, channels] = x.shape;
  return differentiable(
    [x, rows, columns],
    (x, rows, columns) => tidy(() => add(add(x, reshape(rows, [1, height, 1, channels])), reshape(columns, [1, 1, width, channels]))),
    (dy) => {
      const strips = (over: 'height' | 'width', size: number): Tensor => mul(sum(stripAvgPool(dy as Tensor4D, over), 0), size);
      return [dy, strips('width', width), strips('height', height)];
    },
  ) as Tensor4D;
}

/**
 * The sine encoding of DETR (Carion et al. 2020, section A.4; `PositionEmbeddingSine`): the first half of the channels encodes the row, the
 * second the column, in pairs of sine and cosine. Positions count from 1.
 *
 * @param size H and W
 * @param channels a multiple of 4
 */
export function sinePositions(size: readonly [height: number, width: number], channels: number, options: SineOptions = {}): Positions {
  const { temperature = 10_000, normalise = false } = options;
  const half = channels / 2;
  const encode = (position: number, length: number, channel: number) => {
    const at = normalise ? ((position + 1) / (length + EPSILON)) * 2 * Math.PI : position + 1;
    const angle = at / temperature ** ((2 * Math.floor(channel / 2)) / half);
    return channel % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  };
  return { rows: table(size[0], channels, 0, encode), columns: table(size[1], channels, half, encode) };
}

/**
 * The sine-cosine encoding of MAE (He et al. 2022; `get_2d_sincos_pos_embed`): the first half of the channels encodes the column, the second
 * the row, each as all sines and then all cosines. Positions count from 0.
 *
 * @param size H and W
 * @param channels a multiple of 4
 */
export function sinCosPositions(size: readonly [height: number, width: number], channels: number): Positions {
  const quarter = channels / 4;
  const encode = (position: number, _: number, channel: number) => {
    const angle = position / 10_000 ** ((channel % quarter) / quarter);
    return channel < quarter ? Math.sin(angle) : Math.cos(angle);
  };
  return { rows: table(size[0], channels, channels / 2, encode), columns: table(size[1], channels, 0, encode) };
}

/** `[length, channels]`: half of the channels from `from` on encode the positions, the others are 0. */
function table(length: number, channels: number, from: number, encode: (position: number, length: number, channel: number) => number): Tensor2D {
  const values = new Float32Array(length * channels);
  for (let position = 0; position < length; position++) {
    for (let channel = 0; channel < channels / 2; channel++) values[position * channels + from + channel] = encode(position, length, channel);
  }
  return tensor2d(values, [length, channels]);
}
