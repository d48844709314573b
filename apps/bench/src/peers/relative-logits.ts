import { zeros } from '@tensorflow/tfjs-core';
import type { GraphBuilder, Value } from './graph.ts';

/**
 * Adds the logits of relative positions on the block's map (Bello et al. 2019, appendix) to those of content, as PyTorch code does it: along each
 * axis products with the embeddings of all distances, skewed until each stands at its key.
 *
 * @param logits `[M, H·W, H·W]`
 * @param q queries, `[M, H·W, D]`, already scaled
 * @param maps M
 * @param path of the tables `path/height`, `[2H − 1, D]`, and `path/width`, `[2W − 1, D]`
 * @returns `[M, H·W, H·W]`
 */
export function addRelativeLogits(g: GraphBuilder, logits: Value, q: Value, maps: number, path: string): Value {
  const { height, width } = g;
  const rows = g.reshape(q, [maps * height, width, -1]);
  const columns = g.reshape(g.transpose(g.reshape(q, [maps, height, width, -1]), [0, 2, 1, 3]), [maps * width, height, -1]);
  const ofWidth = skew(g, rows, [maps * height, width], `${path}/width`); // [M·H, W, W]
  const ofHeight = g.transpose(g.reshape(skew(g, columns, [maps * width, height], `${path}/height`), [maps, width, height, height]), [0, 2, 1, 3]);
  const pairs = g.reshape(logits, [maps, height, width, height, width]);
  const withWidth = g.add(pairs, g.reshape(ofWidth, [maps, height, width, 1, width]));
  const sum = g.add(withWidth, g.reshape(ofHeight, [maps, height, width, height, 1]));
  return g.reshape(sum, [maps, height * width, height * width]);
}

/** From queries `[lines, L, D]` to their products with the embeddings of the distances to the keys of their line, `[lines, L, L]`. */
function skew(g: GraphBuilder, q: Value, [lines, length]: [lines: number, length: number], table: string): Value {
  const products = g.matMul(q, g.transpose(g.weight(table), [1, 0])); // [lines, L, 2·L − 1]
  const flat = g.reshape(g.concat([products, g.tensor(() => zeros([lines, length, 1]))], 2), [lines, 2 * length * length]);
  const padded = g.concat([flat, g.tensor(() => zeros([lines, length - 1]))], 1);
  const [shifted] = g.split(g.reshape(padded, [lines, length + 1, 2 * length - 1]), [length, 1], 1);
  return g.split(shifted, [length - 1, length], 2)[1];
}
