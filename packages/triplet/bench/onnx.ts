import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `TripletAttention` of the PyTorch code. */
export function tripletAttentionGraph(g: GraphBuilder): Value {
  const gate = (x: Value, branch: string) => g.mul(x, g.sigmoid(g.convNorm(g.concat([g.max(x, [1]), g.mean(x, [1])], 1), branch)));
  const ofRows = g.transpose(gate(g.transpose(g.input, [0, 2, 1, 3]), 'width'), [0, 2, 1, 3]); // rows as channels
  const ofColumns = g.transpose(gate(g.transpose(g.input, [0, 3, 2, 1]), 'height'), [0, 3, 2, 1]); // columns as channels
  return g.mul(g.add(g.add(gate(g.input, 'spatial'), ofRows), ofColumns), g.scalar(1 / 3));
}
