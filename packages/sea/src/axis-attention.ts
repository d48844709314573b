import { ACTIVATIONS, attend, attentionRows, matMul, mergeHeads, splitHeads, type Activation, type Weight, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, reshape, split, tensor2d, tidy, type Tensor, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** Multi-head attention along one axis of a map, which is squeezed along the other: every row, or every column, to its mean. */
export interface AxisAttention {
  /** Queries, keys and values of all heads, `[N, L, 2K + V]`, to `[N, L, 1, V]` */
  (strip: Tensor3D, training: boolean): Tensor4D;
  /** How each row, or column, weighs all of them, `[N, heads, L, L]`. */
  map(strip: Tensor3D): Tensor4D;
  /** Multiply-adds for an axis of a length. */
  macs(length: number): number;
}

export interface AxisAttentionOptions {
  readonly heads: number;
  /** Channels of a head's queries and keys. */
  readonly headChannels: number;
  /** Channels of the values, those of all heads together. */
  readonly valueChannels: number;
  readonly activation: Activation;
}

/** Positions along an axis for which there is an embedding; those of axes of other lengths lie between. */
const EMBEDDINGS = 16;

/**
 * Declares an {@link AxisAttention} part: the embeddings `queryPositions` and `keyPositions`, and the encoding of what is attended to, `encode`,
 * which starts at zero.
 */
export function axisAttention(weights: WeightScope, options: AxisAttentionOptions): AxisAttention {
  const { heads, headChannels, valueChannels, activation } = options;
  const keyChannels = heads * headChannels;
  const scale = 1 / Math.sqrt(headChannels);
  const queryPositions = embeddings(weights, 'queryPositions', keyChannels);
  const keyPositions = embeddings(weights, 'keyPositions', keyChannels);
  const encode = parts.convBatchNorm(weights.at('encode'), valueChannels, valueChannels, { kernelSize: 1, gammaInitializer: initializers.zeros() });

  const embed = (strip: Tensor3D): Record<'q' | 'k' | 'v', Tensor3D> => {
    const [q, k, v] = split<Tensor3D>(strip, [keyChannels, keyChannels, valueChannels], 2);
    const placed = (x: Tensor3D, positions: Weight): Tensor3D => add(x, interpolate(positions.read(), x.shape[1]));
    return { q: splitHeads(placed(q, queryPositions), heads), k: splitHeads(placed(k, keyPositions), heads), v: splitHeads(v, heads) };
  };
  const apply = (strip: Tensor3D, training: boolean): Tensor4D => {
    const { q, k, v } = embed(strip);
    const attended = mergeHeads(attend(q, k, v, { scale }), heads); // [N, L, V]
    const [images, length] = strip.shape;
    return encode(reshape(ACTIVATIONS[activation](attended), [images, length, 1, valueChannels]), training);
  };
  const map = (strip: Tensor3D): Tensor4D => {
    const { q, k } = embed(strip);
    const [images, length] = strip.shape;
    const all = Array.from({ length }, (_, i) => i);
    return reshape(attentionRows(q, k, all, { scale }), [images, heads, length, length]);
  };
  const macs = (length: number) => length ** 2 * (keyChannels + valueChannels) + encode.macs(length);
  return Object.assign(apply, { map, macs });
}

// In the axes of a 1-D convolution's kernel with one filter, as PyTorch keeps them: [1, channels, positions] there.
function embeddings(weights: WeightScope, name: string, channels: number): Weight {
  return weights.add(name, [EMBEDDINGS, channels, 1], initializers.randomNormal({ mean: 0, stddev: 1 }), { layout: 'conv' });
}

/** Embeddings `[16, channels, 1]` of `length` positions, `[length, channels]`, by linear interpolation as PyTorch's without aligned corners. */
function interpolate(table: Tensor, length: number): Tensor2D {
  return tidy(() => matMul(shares(length), reshape(table, [EMBEDDINGS, table.shape[1]!])));
}

/** [length, 16]: how much of each embedding there is in that of each position. */
function shares(length: number): Tensor2D {
  const values = new Float32Array(length * EMBEDDINGS);
  for (let i = 0; i < length; i++) {
    const place = Math.min(Math.max(((i + 0.5) * EMBEDDINGS) / length - 0.5, 0), EMBEDDINGS - 1);
    const below = Math.min(Math.floor(place), EMBEDDINGS - 2);
    values[i * EMBEDDINGS + below] = below + 1 - place;
    values[i * EMBEDDINGS + below + 1] = place - below;
  }
  return tensor2d(values, [length, EMBEDDINGS]);
}
