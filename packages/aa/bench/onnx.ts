import type { GraphBuilder, Value } from '@saccade/bench/entry';
import { addRelativeLogits } from '@saccade/bench/relative-logits';

/** As `AugmentedConv` of the PyTorch code: a convolution beside attention with relative positions. */
export function attentionAugmentedConvGraph(g: GraphBuilder, heads: number): Value {
  const [depth, values, maps] = [g.shapeOf('positions/width')[1], g.shapeOf('out/kernel')[0], g.batch * heads];
  const [k, q, v] = g.split(g.conv(g.input, 'kqv'), [heads * depth, heads * depth, values], 1).map((part) => g.flat(part));
  const scaled = g.mul(g.transpose(g.reshape(q, [maps, depth, -1]), [0, 2, 1]), g.scalar(depth ** -0.5)); // [N·heads, H·W, D]
  const logits = addRelativeLogits(g, g.matMul(scaled, g.reshape(k, [maps, depth, -1])), scaled, maps, 'positions');
  const attended = g.matMul(g.softmax(logits), g.transpose(g.reshape(v, [maps, values / heads, -1]), [0, 2, 1]));
  const combined = g.unflat(g.reshape(g.transpose(attended, [0, 2, 1]), [g.batch, values, -1]));
  return g.concat([g.conv(g.input, 'conv'), g.conv(combined, 'out')], 1);
}
