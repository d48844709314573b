import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `DoubleAttentionLayer` of the PyTorch code, with the paper's reconstruction and residual. */
export function doubleAttentionGraph(g: GraphBuilder): Value {
  const [features, maps, vectors] = ['value', 'gather', 'distribute'].map((name) => g.flat(g.conv(g.input, name))); // [N, C', H·W]
  const descriptors = g.matMul(features, g.transpose(g.softmax(maps), [0, 2, 1])); // [N, c_m, c_n]
  const z = g.unflat(g.matMul(descriptors, g.softmax(vectors, 1)));
  return g.add(g.input, g.conv(z, 'reconstruct'));
}
