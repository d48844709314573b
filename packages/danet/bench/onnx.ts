import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `PAM_Module` of the PyTorch code. */
export function positionAttentionGraph(g: GraphBuilder): Value {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => g.flat(g.conv(g.input, name))); // [N, C', H·W]
  const attention = g.softmax(g.matMul(g.transpose(query, [0, 2, 1]), key)); // [N, H·W, H·W]
  const out = g.unflat(g.matMul(value, g.transpose(attention, [0, 2, 1])));
  return g.add(g.mul(g.weight('gamma'), out), g.input);
}

/** As `CAM_Module` of the PyTorch code. */
export function channelAffinityAttentionGraph(g: GraphBuilder): Value {
  const x = g.flat(g.input);
  const energy = g.matMul(x, g.transpose(x, [0, 2, 1])); // [N, C, C]
  const attention = g.softmax(g.op('Sub', [g.max(energy, [2]), energy]));
  return g.add(g.mul(g.weight('gamma'), g.unflat(g.matMul(attention, x))), g.input);
}
