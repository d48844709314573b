import { reshape, tidy, transpose, type Tensor3D } from '@tensorflow/tfjs-core';

/**
 * Parts channels among heads that attend on their own (Vaswani et al. 2017, section 3.2.2): head h takes channels h·D to h·D + D − 1.
 *
 * @param x `[B, N, heads·D]`
 * @returns `[B·heads, N, D]`, the heads of an image one after the other
 */
export function splitHeads(x: Tensor3D, heads: number): Tensor3D {
  if (heads === 1) return x;
  const [batch, count, channels] = x.shape;
  return tidy(() => reshape(transpose(reshape(x, [batch, count, heads, channels / heads]), [0, 2, 1, 3]), [batch * heads, count, channels / heads]));
}

/**
 * Concatenates the heads' channels: undoes {@link splitHeads}.
 *
 * @param x `[B·heads, N, D]`
 * @returns `[B, N, heads·D]`
 */
export function mergeHeads(x: Tensor3D, heads: number): Tensor3D {
  if (heads === 1) return x;
  const [all, count, channels] = x.shape;
  return tidy(() => reshape(transpose(reshape(x, [all / heads, heads, count, channels]), [0, 2, 1, 3]), [all / heads, count, heads * channels]));
}
