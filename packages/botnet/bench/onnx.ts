import type { GraphBuilder, Value } from '@saccade/bench/entry';
import { addRelativeLogits } from '@saccade/bench/relative-logits';

/** As `MHSA` of the PyTorch code: heads among the positions of the map, with relative positions. */
export function bottleneckSelfAttentionGraph(g: GraphBuilder, heads: number, x = g.input, prefix = ''): Value {
  const [inner, maps] = [g.shapeOf(`${prefix}qkv/kernel`).at(-1)! / 3, g.batch * heads];
  const qkv = g.split(g.conv(x, `${prefix}qkv`, { bias: false }), [inner, inner, inner], 1);
  const [q, k, v] = qkv.map((part) => g.reshape(part, [maps, inner / heads, -1])); // [N·heads, D, H·W]
  const scaled = g.mul(g.transpose(q, [0, 2, 1]), g.scalar((inner / heads) ** -0.5));
  const logits = addRelativeLogits(g, g.matMul(scaled, k), scaled, maps, `${prefix}positions`);
  const attended = g.matMul(g.softmax(logits), g.transpose(v, [0, 2, 1]));
  return g.unflat(g.reshape(g.transpose(attended, [0, 2, 1]), [g.batch, inner, -1]));
}

/** As `BottleBlock` of the PyTorch code, of one size. */
export function bottleneckTransformerBlockGraph(g: GraphBuilder, heads: number): Value {
  const attended = bottleneckSelfAttentionGraph(g, heads, g.relu(g.convNorm(g.input, 'reduce')), 'attention/');
  return g.relu(g.add(g.convNorm(g.relu(g.batchNorm(attended, 'norm')), 'expand'), g.input));
}
